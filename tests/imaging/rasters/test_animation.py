"""Animations whose file has a still picture beside them, for programs that show no animations."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.png.chunks import chunks

SIZE = (48, 32)
SECONDS = (0.1, 0.2, 0.03)


def file_of(still: Image.Image, frames: list[Image.Image]) -> bytes:
    """A PNG file of a still picture and frames, which are shown three times."""
    file = io.BytesIO()
    durations = [round(1000 * seconds) for seconds in SECONDS[: len(frames)]]
    options = {"duration": durations, "loop": 3, "blend": 1, "disposal": 0}
    still.save(file, "PNG", save_all=True, append_images=frames, default_image=True, **options)
    return file.getvalue()


def beside(count: int = 3) -> bytes:
    still, *frames = (
        Image.new("RGB", SIZE, color) for color in ("red", "lime", "blue", "white")[: 1 + count]
    )
    return file_of(still, frames)


def names(data: bytes) -> Iterator[str]:
    return (kind.decode() for kind, *_ in chunks(data))


def frames_told(data: bytes) -> int:
    """What acTL of a PNG file says."""
    return next(int.from_bytes(content[:4], "big") for kind, content, _ in chunks(data) if kind == b"acTL")


def corner(picture: Picture) -> tuple[int, ...]:
    return tuple(picture.pixels[0, 0])


@pytest.mark.parametrize("count", [1, 3])
def test_the_still_picture_stays_beside_the_frames_of_a_png(count: int) -> None:
    pages = list(codec.decode_all(beside(count)))
    assert [page.is_apart for page in pages] == [True] + [False] * count
    assert codec.losses_of_pages(pages, "PNG") == ()
    written = codec.encode_pages(pages, "PNG")
    found = list(names(written))
    assert frames_told(written) == count
    assert "fcTL" not in found[: found.index("IDAT")]
    again = list(codec.decode_all(written))
    assert [corner(page) for page in again] == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)][
        : 1 + count
    ]
    assert [page.metadata.duration for page in again] == [None, *SECONDS[:count]]
    assert {page.metadata.plays for page in again} == {3}


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_the_still_picture_is_not_a_frame_in_other_formats_and_that_is_reported(kind: str) -> None:
    pages = list(codec.decode_all(beside()))
    assert "the still picture beside the animation is left out" in codec.losses_of_pages(pages, kind)
    again = list(codec.decode_all(codec.encode_pages(pages, kind)))
    assert [page.metadata.duration for page in again] == list(SECONDS)
    assert [page.metadata.plays for page in again] == [3, 3, 3]
    assert [page.pixels[0, 0].argmax() for page in again[:2]] == [1, 2]  # green and blue
    assert not any(page.is_apart for page in again)


def test_a_single_frame_beside_the_still_picture_is_all_that_is_shown() -> None:
    pages = list(codec.decode_all(beside(1)))
    assert [corner(page) for page in codec.decode_all(codec.encode_pages(pages, "WEBP"))] == [(0, 255, 0)]


def test_pages_of_a_tiff_hold_the_still_picture_too() -> None:
    pages = list(codec.decode_all(beside()))
    assert codec.losses_of_pages(pages, "TIFF") == ("frame durations are left out",)
    assert len(list(codec.decode_all(codec.encode_pages(pages, "TIFF")))) == 4


@pytest.mark.parametrize("count, what", [(1, "1 frame"), (3, "3 frames")])
def test_the_still_picture_alone_is_not_called_a_frame(count: int, what: str) -> None:
    found = codec.decode(beside(count))
    assert corner(found) == (255, 0, 0)
    assert found.remarks == (f"first of {1 + count} pictures, the still one beside {what}",)


def test_frames_are_not_laid_over_the_still_picture() -> None:
    # The specification begins with a clear canvas; the still picture was never shown.
    veil = Image.new("RGBA", SIZE, (0, 255, 0, 100))
    first = list(codec.decode_all(file_of(Image.new("RGBA", SIZE, "red"), [veil])))[1]
    assert corner(first) == (0, 255, 0)
    assert first.alpha is not None
    assert np.all(first.alpha == 100)
