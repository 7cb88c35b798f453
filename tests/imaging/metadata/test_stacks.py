"""Slices that only a description tells of are not lost silently, and no result has a description of other slices."""

import io
from typing import Any

import numpy as np
import pytest
import tifffile

from nsr_cli.imaging import codec
from nsr_cli.imaging.metadata import stacks
from tests.imaging.files import enlarged, tiff

STACK = np.random.default_rng(0).integers(0, 255, (3, 20, 30), np.uint8)
SAID = "2 further slices of its stack are left out; save them as pages to restore all"
KINDS: dict[str, dict[str, Any]] = {
    "ImageJ": {"imagej": True, "metadata": {"axes": "ZYX"}, "truncate": True},
    "ImageJ, 16 bits": {"imagej": True, "metadata": {"axes": "ZYX"}, "truncate": True},
    "tifffile": {"photometric": "minisblack", "truncate": True},
}


def description(data: bytes) -> str:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return file.pages.first.description


@pytest.mark.parametrize("kind", KINDS)
def test_slices_without_directories_are_said_to_be_left_out(kind: str) -> None:
    data = tiff(STACK.astype(np.uint16 if "16" in kind else np.uint8), **KINDS[kind])
    [picture] = codec.decode_all(data)
    assert picture.notes == codec.decode(data).notes == (SAID,)
    assert np.array_equal(picture.pixels[..., 0], STACK[0])
    assert "images=3" not in description(codec.encode(picture, "TIFF"))


def test_slices_that_the_file_does_not_hold_are_not_missed() -> None:
    data = tiff(STACK, **KINDS["ImageJ"])
    assert codec.decode(data[: len(data) - STACK[0].size]).notes == (
        SAID.replace("2 further slices", "1 further slice").replace("are", "is"),
    )
    assert codec.decode(data[: len(data) - 2 * STACK[0].size]).notes == ()
    assert codec.decode(data.replace(b"images=3", b"images=1")).notes == ()


@pytest.mark.parametrize("options", [{"imagej": True}, {"photometric": "minisblack"}])
def test_slices_with_directories_are_pages(options: dict[str, Any]) -> None:
    pages = list(codec.decode_all(tiff(STACK, **options)))
    assert len(pages) == 3 and not any(page.notes for page in pages)


def test_no_result_has_the_description_by_which_imagej_looks_for_slices() -> None:
    pages = list(codec.decode_all(tiff(STACK, imagej=True)))
    stored = codec.encode_pages(pages, "TIFF")
    assert "ImageJ" not in description(stored) and codec.decode(stored).first_of == 3
    assert "its ImageJ description is left out" in codec.losses_of_pages(pages, "TIFF")


def test_ome_xml_stays_while_it_is_true() -> None:
    data = tiff(STACK, ome=True, photometric="minisblack")
    pages = list(codec.decode_all(data))
    assert description(codec.encode_pages(pages, "TIFF")) == description(data)
    large = [enlarged(page) for page in pages]
    for stored in (
        codec.encode_pages(large, "TIFF"),
        codec.encode(codec.decode(data), "TIFF"),  # the first of three
    ):
        assert "OME" not in description(stored)
    assert "its OME-XML description is left out" in codec.losses_of_pages(large, "TIFF")
    assert "its OME-XML description is left out" in codec.losses(codec.decode(data), "PNG")
    assert "its OME-XML description is left out" not in codec.losses_of_pages(pages, "TIFF")


def test_other_descriptions_stay() -> None:
    picture = codec.decode(tiff(STACK[0], description="Pixels of a cat, ImageJ=no", metadata=None))
    assert description(codec.encode(enlarged(picture), "TIFF")) == "Pixels of a cat, ImageJ=no"


def test_damaged_directories_raise_nothing() -> None:
    data, random = tiff(STACK, **KINDS["ImageJ"]), np.random.default_rng(0)
    for _ in range(2000):
        junk = bytearray(data)
        for place in random.integers(8, 300, 3):
            junk[place] = random.integers(256)
        assert stacks.slices_behind(bytes(junk), 8) >= 0
