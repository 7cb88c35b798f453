"""What a file of several pages is said to lose."""

import numpy as np

from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Metadata, Picture

PLAIN = Picture(np.zeros((4, 5, 3), dtype=np.uint8))
DEEP = Picture(np.zeros((4, 5, 3), dtype=np.uint16))
FRAME = PLAIN.with_metadata(Metadata(duration=0.1))


def test_what_only_a_later_page_loses_is_said_once() -> None:
    described = PLAIN.with_metadata(Metadata(text=(("Title", "two"),)))
    assert codec.losses_of_pages([PLAIN, described, described], "GIF") == (
        "colors are reduced to 256",
        "texts are left out",
    )


def test_pages_keep_what_a_single_one_would_lose_to_an_animation_only() -> None:
    assert codec.losses_of_pages([DEEP], "PNG") == codec.losses(DEEP, "PNG") == ()
    assert codec.losses_of_pages([DEEP, PLAIN], "TIFF") == ()
    assert codec.losses_of_pages([PLAIN, DEEP], "PNG") == ("16-bit samples become 8-bit",)
    floating = Picture(np.zeros((4, 5, 3), dtype=np.float32))
    assert codec.losses_of_pages([floating, floating], "PNG") == ("float samples become 8-bit",)


def test_pages_of_tiff_have_no_durations() -> None:
    assert codec.losses_of_pages([FRAME, FRAME], "TIFF") == ("frame durations are left out",)
    assert codec.losses_of_pages([PLAIN, FRAME], "TIFF") == ("frame durations are left out",)
    for kind in ("GIF", "WEBP", "PNG"):
        assert "frame durations are left out" not in codec.losses_of_pages([FRAME, FRAME], kind)
    assert codec.losses_of_pages([FRAME], "TIFF") == ()  # a still picture is shown for ever
