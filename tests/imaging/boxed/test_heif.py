"""What AVIF and HEIC files say of their picture, told without decoding it."""

import struct
from collections.abc import Callable

import numpy as np
import pytest

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.boxed import heif as boxed
from nsr_cli.imaging.heads.head import Head, read_head
from nsr_cli.imaging.heads.pages import read_heads
from tests import heif

RGB = np.random.default_rng(3).integers(0, 256, (33, 46, 3)).astype(np.uint8)
RGBA = np.dstack([RGB, RGB[..., 0]])
DEEP = RGB.astype(np.uint16) << 2
FILES: dict[str, tuple[Callable[[], bytes], Head]] = {
    "AVIF": (lambda: heif.avif(RGB), Head(46, 33, 3)),
    "AVIF, gray": (lambda: heif.avif(RGB[..., 0]), Head(46, 33, 1)),
    "AVIF, alpha": (lambda: heif.avif(RGBA), Head(46, 33, 4, alpha=True)),
    "AVIF, 10 bits": (lambda: heif.deep_avif(DEEP, 10), Head(46, 33, 6)),
    "AVIF, turned": (lambda: heif.avif(RGB, exif=heif.turned(8)), Head(33, 46, 3)),
    "HEIC": (lambda: heif.heic(RGB), Head(46, 33, 3)),
    "HEIC, gray": (lambda: heif.heic(RGB[..., 0]), Head(46, 33, 1)),
    "HEIC, alpha": (lambda: heif.heic(RGBA), Head(46, 33, 4, alpha=True)),
    "HEIC, 10 bits": (lambda: heif.deep_heic(DEEP << 6), Head(46, 33, 6)),
    "HEIC, turned": (lambda: heif.heic(RGB, exif=heif.turned(8)), Head(33, 46, 3)),
    "HEIC, alpha of another picture": (lambda: heif.heic(RGB, RGBA), Head(46, 33, 3)),
}


@pytest.mark.parametrize("name", FILES)
def test_the_head_is_that_of_the_decoded_picture(name: str) -> None:
    make, head = FILES[name]
    data = make()
    picture = codec.decode(data)
    samples = picture.samples * picture.bits // 8
    assert read_head(data) == head
    assert (picture.width, picture.height, samples, picture.alpha is not None) == (
        head.width,
        head.height,
        head.depth,
        head.alpha,
    )


def test_the_frames_of_an_animation_are_counted() -> None:
    film = heif.avif(RGB, RGB[::-1], RGB[:, ::-1])
    assert boxed.frames(film) == 3 and boxed.is_animated(film)
    assert read_heads(film, every_frame=True) == [Head(46, 33, 3)] * 3
    assert read_heads(film, every_frame=False) == [Head(46, 33, 3)]
    assert boxed.frames(heif.avif(RGB)) == 1 and not boxed.is_animated(heif.avif(RGB))


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        (b"avif", "AVIF"),
        (b"avis", "AVIF"),
        (b"heic", "HEIC"),
        (b"heix", "HEIC"),
        (b"mif1avif", "AVIF"),
        (b"mif1miafheic", "HEIC"),
        (b"mif1", None),
        (b"hevc", None),
        (b"isom", None),
    ],
)
def test_brands_tell_how_a_picture_is_coded(brands: bytes, kind: str | None) -> None:
    head = struct.pack(">I", 12 + len(brands)) + b"ftyp" + brands[:4] + bytes(4) + brands[4:]
    assert boxed.kind_of(head) == kind
    endless = struct.pack(">I", (1 << 32) - 4) + head[4:]
    assert boxed.kind_of(endless) == kind


@pytest.mark.parametrize("form", ["AVIF", "HEIC"])
def test_a_head_that_is_cut_off_or_lacks_a_part_is_refused(form: str) -> None:
    whole = heif.avif(RGB) if form == "AVIF" else heif.heic(RGB)
    end = whole.find(b"meta") - 4 + int.from_bytes(whole[whole.find(b"meta") - 4 :][:4])
    for size in range(0, end, 5):
        with pytest.raises(DecodeError):
            boxed.header(whole[:size])
    for name in (b"pitm", b"iprp", b"ipco", b"ipma", b"ispe"):
        with pytest.raises(DecodeError, match=r"damaged|cut off"):
            boxed.header(whole.replace(name, b"free", 1))


@pytest.mark.parametrize("form", ["AVIF", "HEIC"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turn_and_a_mirror_are_an_orientation(form: str, orientation: int) -> None:
    save = heif.avif if form == "AVIF" else heif.heic
    assert boxed.header(save(RGB, exif=heif.turned(orientation))).turn == orientation


def test_what_is_only_for_bright_screens_is_named() -> None:
    plain = heif.avif(RGB)
    bright = heif.with_property(plain, b"clli", b"\3\xe8\1\x90")
    assert boxed.header(plain).unread == () and boxed.header(bright).unread == ("clli",)
    told = codec.losses(codec.decode(bright), "PNG")
    assert told == ("the content of its auxiliary part (clli) is left out",)
