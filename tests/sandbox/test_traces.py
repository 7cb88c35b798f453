"""Where in the decoding process something went wrong can be told, to those who ask for it."""

import traceback

import pytest

from nsr_cli.errors import DecodeError
from nsr_cli.sandbox.decoder import Decoder
from nsr_cli.sandbox.process import _told


def test_a_mistake_in_the_decoding_process_comes_with_its_place(decoder: Decoder) -> None:
    with pytest.raises(DecodeError, match=r"^it cannot be read \(IndexError\); run with --debug") as caught:
        decoder.pages(b"bug")
    shown = "".join(traceback.format_exception(caught.value))
    assert "In the decoding process:\nTraceback" in shown and "IndexError: list index out of range" in shown


def test_what_a_library_raised_comes_with_its_place() -> None:
    with Decoder() as decoder, pytest.raises(DecodeError, match="it is damaged") as caught:
        decoder.pages(b"\xff\xd8\xff\xe0 no JPEG")
    (note,) = caught.value.__notes__
    assert "nsr_cli/imaging/rasters/read.py" in note


def test_a_place_from_a_process_that_was_taken_over_is_short_and_cannot_move_the_cursor() -> None:
    error = _told({"error": "no", "trace": "\x1b[2J\n" + "x" * 100_000})
    (note,) = error.__notes__
    assert "\x1b" not in note and len(note) < 30_000
    assert not hasattr(_told({"error": "no"}), "__notes__")
