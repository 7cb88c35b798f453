"""The matrix of formats and modes, in and out, against the libraries that made the files."""

import io
import struct
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from nsr_cli.errors import DecodeError, EncodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.png.chunks import SIGNATURE, chunk
from tests.imaging.files import png_with

Make = Callable[..., bytes]


def same(found: Any, expected: Any) -> bool:
    """Whether two arrays are equal in type and values; False for None."""
    return found is not None and found.dtype == expected.dtype and np.array_equal(found, expected)


def image_of(mode: str, samples: Any) -> Image.Image:
    """A Pillow image in a mode, for formats that keep it exactly."""
    makers: dict[str, Callable[[], Image.Image]] = {
        "1": lambda: Image.fromarray(samples.gray8 > 127),
        "L": lambda: Image.fromarray(samples.gray8),
        "LA": lambda: Image.fromarray(np.dstack([samples.gray8, samples.alpha8])),
        "RGB": lambda: Image.fromarray(samples.rgb8),
        "RGBA": lambda: Image.fromarray(np.dstack([samples.rgb8, samples.alpha8])),
        "P": lambda: Image.fromarray(samples.rgb8).quantize(40),
        "I;16": lambda: Image.fromarray(samples.gray16),
    }
    return makers[mode]()


EXACT: list[tuple[str, str, dict[str, Any]]] = (
    [("PNG", mode, {}) for mode in ("1", "L", "P", "LA", "RGB", "RGBA", "I;16")]
    + [("BMP", mode, {}) for mode in ("1", "L", "P", "RGB")]
    + [("GIF", mode, {}) for mode in ("1", "L", "P")]
    + [("WEBP", mode, {"lossless": True, "exact": True}) for mode in ("L", "RGB", "RGBA")]
    + [("PPM", mode, {}) for mode in ("1", "L", "RGB")]
    + [
        ("TIFF", mode, {"compression": compression})
        for mode in ("1", "L", "P", "LA", "RGB", "RGBA", "I;16")
        for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")
    ]
)


@pytest.mark.parametrize(("kind", "mode", "options"), EXACT)
def test_lossless_files_decode_to_their_samples(
    kind: str, mode: str, options: dict[str, Any], samples: Any, pillow_file: Make
) -> None:
    image = image_of(mode, samples)
    picture = codec.decode(pillow_file(image, kind, **options))
    if mode == "I;16":
        assert picture.bits == 16
        assert np.array_equal(picture.pixels[..., 0], samples.gray16)
        return
    has_alpha = mode in ("LA", "RGBA")
    expected = np.asarray(image.convert("RGBA"))
    shown = np.broadcast_to(picture.pixels, (*picture.pixels.shape[:2], 3))
    assert np.array_equal(shown, expected[..., :3])
    assert (picture.alpha is not None) == has_alpha
    if has_alpha:
        assert same(picture.alpha, expected[..., 3])
    gray = mode in ("1", "L", "LA") and kind != "WEBP"  # WebP has no gray
    assert picture.is_gray == gray
    assert picture.source == kind
    assert picture.notes == ()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_decodes_as_libjpeg_does(mode: str, samples: Any, pillow_file: Make) -> None:
    image = Image.fromarray(samples.smooth).convert("RGB" if mode == "CMYK" else mode).convert(mode)
    data = pillow_file(image, "JPEG", quality=95)
    picture = codec.decode(data)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("L" if mode == "L" else "RGB"))
    assert np.abs(picture.pixels.squeeze().astype(int) - expected).max() <= 1
    assert picture.is_gray == (mode == "L")
    assert any("CMYK" in note for note in picture.notes) == (mode == "CMYK")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_is_16_bit_in_and_out(channels: int, samples: Any) -> None:
    stack = np.dstack([samples.rgb16, samples.alpha16])
    stored = {1: stack[..., 0], 2: stack[..., 2:], 3: stack[..., :3], 4: stack}[channels]
    picture = codec.decode(bytes(imagecodecs.png_encode(np.ascontiguousarray(stored))))
    assert picture.bits == 16
    again = codec.decode(codec.encode(picture, "PNG"))
    for found in (picture, again):
        parts = [found.pixels] + ([] if found.alpha is None else [found.alpha[..., np.newaxis]])
        assert np.array_equal(np.concatenate(parts, axis=2).squeeze(), stored)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("gray", [True, False])
def test_png_transparent_color_becomes_alpha(depth: int, gray: bool, samples: Any) -> None:
    array = getattr(samples, ("gray" if gray else "rgb") + str(depth))
    key = array[3, 5]
    values = [int(key)] if gray else key.tolist()
    data = png_with(bytes(imagecodecs.png_encode(array)), (b"tRNS", struct.pack(f">{len(values)}H", *values)))
    picture = codec.decode(data)
    hit = array == key if gray else (array == key).all(axis=2)
    peak = 2**depth - 1
    assert same(picture.alpha, np.where(hit, 0, peak).astype(array.dtype))
    assert np.array_equal(picture.pixels.squeeze(), array)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_transparent_palette_becomes_rgb_with_alpha(kind: str, samples: Any, pillow_file: Make) -> None:
    image = Image.fromarray(samples.rgb8).quantize(17)
    data = pillow_file(image, kind, transparency=4)
    picture = codec.decode(data)
    assert picture.channels == 3
    assert picture.alpha is not None
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
    assert same(picture.alpha, expected[..., 3])
    assert 0 < (picture.alpha == 0).mean() < 0.5
    seen = picture.alpha > 0
    assert np.array_equal(picture.pixels[seen], expected[seen][:, :3])


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_a_palette_of_grays_is_gray(kind: str, samples: Any, pillow_file: Make) -> None:
    image = Image.fromarray(samples.gray8 // 16 * 16).convert("RGB").quantize(16)
    picture = codec.decode(pillow_file(image, kind))
    assert picture.is_gray
    assert np.array_equal(picture.pixels[..., 0], np.asarray(image.convert("L")))


ROUND_TRIPS = [
    ("PNG", 8, 1, False), ("PNG", 8, 1, True), ("PNG", 8, 3, False), ("PNG", 8, 3, True),
    ("PNG", 16, 1, True), ("PNG", 16, 3, True), ("TIFF", 8, 1, False), ("TIFF", 8, 3, True),
    ("TIFF", 16, 1, True), ("TIFF", 16, 3, False), ("TIFF", 16, 3, True), ("TIFF", 32, 1, False),
    ("TIFF", 32, 3, True), ("WEBP", 8, 3, False), ("WEBP", 8, 3, True), ("BMP", 8, 1, False),
    ("BMP", 8, 3, False), ("PPM", 8, 1, False), ("PPM", 8, 3, False), ("PPM", 16, 1, False),
    ("PPM", 16, 3, False), ("GIF", 8, 1, False),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "bits", "channels", "alpha"), ROUND_TRIPS)
def test_what_a_format_can_hold_comes_back_unchanged(
    kind: str, bits: int, channels: int, alpha: bool
) -> None:
    rng = np.random.default_rng(bits + channels)
    dtype: Any = {8: np.uint8, 16: np.uint16, 32: np.float32}[bits]

    def draw(*shape: int) -> Any:
        return (
            rng.random(shape, dtype=np.float32)
            if bits == 32
            else rng.integers(0, 2**bits, shape).astype(dtype)
        )

    picture = Picture(draw(23, 17, channels), draw(23, 17) if alpha else None)
    data = codec.encode(picture, kind)
    assert codec.sniff(data) == kind
    again = codec.decode(data)
    assert again.pixels.dtype == picture.pixels.dtype
    assert np.array_equal(again.pixels, picture.pixels)
    assert (again.alpha is None) == (not alpha)
    if alpha:
        assert same(again.alpha, picture.alpha)
    assert codec.losses(picture, kind) == ()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_quality_is_obeyed(kind: str, samples: Any) -> None:
    picture = Picture(samples.rgb8)
    low, high = (codec.encode(picture, kind, quality=q) for q in (20, 90))
    assert len(low) < 0.6 * len(high)
    gentle = Picture(samples.smooth)
    near = codec.decode(codec.encode(gentle, kind, quality=95))
    assert np.abs(near.pixels.astype(int) - samples.smooth).mean() < 2


def test_deep_pictures_are_rounded_for_shallow_formats() -> None:
    levels = np.arange(65_536, dtype=np.uint16).reshape(256, 256, 1)
    picture = Picture(levels, levels[..., 0].copy())
    shallow = codec.decode(codec.encode(picture, "WEBP"))
    assert np.array_equal(shallow.pixels[..., 0], np.rint(levels[..., 0] / 257))
    assert same(shallow.alpha, np.rint(levels[..., 0] / 257).astype(np.uint8))
    assert codec.losses(picture, "WEBP") == ("16-bit samples become 8-bit",)
    floating = Picture(np.array([[[0.0], [0.5], [1.0], [1.5], [-0.5]]], dtype=np.float32))
    assert codec.decode(codec.encode(floating, "PNG")).pixels.ravel().tolist() == [0, 32768, 65535, 65535, 0]
    assert codec.losses(floating, "PNG") == ("float samples become 16-bit",)


@pytest.mark.parametrize(
    ("kind", "size", "alpha", "words"),
    [
        ("JPEG", (65_501, 10), False, "65500"),
        ("WEBP", (10, 16_384), False, "16383"),
        ("GIF", (65_536, 1), False, "65535"),
        ("JPEG", (10, 10), True, "transparency"),
        ("BMP", (10, 10), True, "transparency"),
        ("PPM", (10, 10), True, "transparency"),
        ("BMP", (40_000, 40_000), False, "too large"),
        ("EPS", (10, 10), False, "not a format"),
    ],
)
def test_what_cannot_be_encoded_is_said_before(
    kind: str, size: tuple[int, int], alpha: bool, words: str
) -> None:
    with pytest.raises(EncodeError, match=words):
        codec.check_encodable(kind, *size, alpha=alpha)


@pytest.mark.parametrize("kind", sorted(codec.FORMATS))
def test_ordinary_pictures_are_encodable_everywhere(kind: str) -> None:
    codec.check_encodable(kind, 4000, 3000, alpha=False)


def test_the_limits_are_the_codecs_own(pillow_file: Make) -> None:
    # One pixel more than `check_encodable` lets through really fails in the library.
    for kind, side in (("WEBP", 16_383), ("JPEG", 65_500)):
        codec.encode(Picture(np.zeros((1, side, 1), dtype=np.uint8)), kind)
        with pytest.raises((ValueError, OSError)):
            pillow_file(Image.new("L", (side + 1, 1)), kind)


@pytest.mark.parametrize(
    "data", [b"", b"hello, this is text", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\0" * 64, b"P9\n1 1\n"]
)
def test_anything_but_a_picture_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        codec.decode(data)
    assert "\n" not in str(caught.value)


ALL_KINDS = ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM"]


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_cut_off_files_are_refused(kind: str, samples: Any) -> None:
    data = codec.encode(Picture(samples.rgb8), kind)
    for part in np.linspace(0.02, 0.97, 25):
        with pytest.raises(DecodeError):
            codec.decode(data[: int(len(data) * part)])


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_mutants_give_a_picture_or_one_line(kind: str, samples: Any) -> None:
    data = codec.encode(Picture(samples.rgb8), kind)
    rng = np.random.default_rng(len(data))
    for _ in range(60):
        mutant = bytearray(data)
        where = rng.integers(0, min(len(mutant), 400) if rng.random() < 0.7 else len(mutant), 4)
        for place in where:
            mutant[place] ^= 1 << int(rng.integers(0, 8))
        line = outcome(bytes(mutant))
        assert line.isprintable()


def outcome(data: bytes) -> str:
    """Decode; the error's line or the picture's size. Anything but DecodeError goes through."""
    try:
        picture = codec.decode(data, max_pixels=1 << 22)
    except DecodeError as error:
        return str(error)
    assert picture.width * picture.height <= 1 << 22
    return f"{picture.width} {picture.height}"


def test_what_a_library_raises_is_damage_and_what_our_code_does_is_not(
    samples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(*args: Any) -> Picture:
        raise AttributeError("no such thing")

    picture = Picture(samples.rgb8)
    stored = {kind: codec.encode(picture, kind) for kind in ("PNG", "JPEG")}
    monkeypatch.setattr("nsr_cli.imaging.rasters.read.decode", odd)  # not from a module of this program
    with pytest.raises(
        DecodeError, match=r"^the JPEG picture cannot be read: it is damaged \(AttributeError"
    ):
        codec.decode(stored["JPEG"])
    monkeypatch.setattr("nsr_cli.imaging.png.read.header", None)
    ours = "^internal error with a PNG picture: TypeError: .*; run with --debug for the traceback$"
    with pytest.raises(DecodeError, match=ours) as caught:
        codec.decode(stored["PNG"])
    assert isinstance(caught.value.__cause__, TypeError)
    monkeypatch.setattr("nsr_cli.imaging.png.write.encode", odd)
    with pytest.raises(EncodeError, match=r"^the PNG picture cannot be made \(AttributeError"):
        codec.encode(picture, "PNG")


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_the_pixel_limit_is_obeyed_and_named(kind: str, samples: Any) -> None:
    data = codec.encode(Picture(samples.rgb8), kind)
    height, width = samples.rgb8.shape[:2]
    assert codec.decode(data, max_pixels=width * height).width == width
    with pytest.raises(DecodeError, match="--max-pixels"):
        codec.decode(data, max_pixels=width * height - 1)


def bombs() -> dict[str, bytes]:
    """Small files that claim 100,000 pixels a side."""
    side = 100_000
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    tags = [
        (256, 4, side), (257, 4, side), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 4, side), (279, 4, 99)
    ]  # fmt: skip
    rows = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + rows + bytes(4)
    bmp = b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    vp8x = b"VP8X" + struct.pack("<II", 10, 0) + (side - 1).to_bytes(3, "little") * 2
    webp = b"RIFF" + struct.pack("<I", 4 + len(vp8x)) + b"WEBP" + vp8x
    return {
        "PNG": SIGNATURE + chunk(b"IHDR", head) + chunk(b"IEND", b""),
        "TIFF": tiff,
        "BMP": bmp,
        "WEBP": webp,
        "PPM": b"P6\n100000 100000\n255\n",
        "PGM": b"P2 100000 100000 255 1",
    }


@pytest.mark.parametrize(("kind", "data"), bombs().items())
def test_bombs_are_refused_at_the_header(kind: str, data: bytes) -> None:
    with pytest.raises(DecodeError, match=r"10000 megapixels.*--max-pixels"):
        codec.decode(data)
    # Even where the user trusts the claim, nothing is allocated for samples that cannot be there.
    with pytest.raises(DecodeError):
        codec.decode(data, max_pixels=10**11)


@pytest.mark.parametrize("source", ["PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("plays", [0, 1, 4])
def test_an_animation_is_shown_as_often_as_before(samples: Any, source: str, plays: int) -> None:
    frames = [Image.fromarray(np.roll(samples.smooth, shift, axis=1)) for shift in (0, 5)]
    told = {"loop": plays} if source != "GIF" or plays == 0 else {"loop": plays - 1} if plays > 1 else {}
    stored = io.BytesIO()
    frames[0].save(stored, source, save_all=True, append_images=frames[1:], duration=50, **told)
    pages = list(codec.decode_all(stored.getvalue()))
    assert pages[0].metadata.plays == plays
    for kind in ("PNG", "WEBP", "GIF"):
        written = codec.encode_pages(pages, kind)
        assert next(iter(codec.decode_all(written))).metadata.plays == plays
        assert (b"NETSCAPE" in written) == (kind == "GIF" and plays != 1)


def test_a_frame_of_an_animation_is_said_to_be_the_first(samples: Any) -> None:
    frames = [
        Picture(np.roll(samples.smooth, shift, axis=1), metadata=Metadata(duration=0.25))
        for shift in (0, 5, 9)
    ]
    for kind in ("PNG", "WEBP", "GIF"):
        data = codec.encode_pages(frames, kind)
        first = codec.decode(data)
        assert first.remarks == ("first of 3 frames",)
        every = list(codec.decode_all(data))
        assert len(every) == 3
        assert all(picture.remarks == () and picture.metadata.duration == 0.25 for picture in every)
        for picture, frame in zip(every, frames, strict=True):
            error = np.abs(picture.pixels.astype(int) - frame.pixels).mean()
            assert error < (8 if kind == "GIF" else 0.01), kind
        assert np.array_equal(first.pixels, every[0].pixels)


def test_frames_keep_transparency(samples: Any) -> None:
    holes = np.where(samples.alpha8 > 128, 255, 0).astype(np.uint8)
    frames = [Picture(samples.smooth, holes), Picture(samples.smooth_gray[..., np.newaxis])]
    for kind in ("PNG", "WEBP"):
        every = list(codec.decode_all(codec.encode_pages(frames, kind)))
        assert same(every[0].alpha, holes)
        assert every[1].alpha is None or np.all(every[1].alpha == 255)


def test_pages_are_for_formats_that_have_them(samples: Any) -> None:
    pictures = [Picture(samples.rgb8), Picture(samples.rgb8)]
    with pytest.raises(EncodeError, match="cannot hold 2 pictures"):
        codec.encode_pages(pictures, "JPEG")
    with pytest.raises(EncodeError, match="one size"):
        codec.encode_pages([pictures[0], Picture(samples.rgb8[:5])], "GIF")
    assert codec.sniff(codec.encode_pages(pictures[:1], "JPEG")) == "JPEG"


def test_every_suffix_names_a_format_that_decodes() -> None:
    assert set(codec.SUFFIXES.values()) == set(ALL_KINDS)
    assert codec.LOSSLESS < codec.FORMATS
    with pytest.raises(TypeError):
        codec.SUFFIXES[".eps"] = "EPS"  # type: ignore[index]


def test_a_bmp_file_of_a_rare_kind_is_not_called_damaged(samples: Any) -> None:
    """ImageMagick writes 4 bits for each color and for alpha, which Pillow does not read."""
    data = bytearray(codec.encode(Picture(samples.rgb8), "BMP"))
    masks = struct.pack("<IHHIIIIII4I", 124, 1, 16, 3, 0, 0, 0, 0, 0, 0xF00, 0xF0, 0xF, 0xF000)
    sides = bytes(data[18:26])
    rare = bytes(data[:14]) + masks[:4] + sides + masks[4:] + bytes(124 - len(masks) - 8) + bytes(20_000)
    with pytest.raises(DecodeError, match="cannot be read: save it as PNG or TIFF") as caught:
        codec.decode(rare)
    assert "damaged" not in str(caught.value)
