"""Every kind of TIFF: written by tifffile or libtiff, read here."""

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.tiff import read as tiffread

Make = Callable[..., bytes]


@pytest.mark.parametrize("name", ["gray8", "gray16", "rgb8", "rgb16", "float32"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "lzw"},
        {"compression": "lzw", "predictor": True},
        {"compression": "zlib", "predictor": True},
        {"compression": "packbits"},
        {"compression": "zstd"},
        {"tile": (16, 32)},
        {"tile": (16, 16), "compression": "zlib"},
        {"rowsperstrip": 7},
        {"byteorder": ">"},
        {"bigtiff": True},
    ],
)
def test_layouts_and_compressions(name: str, options: dict[str, Any], samples: Any, tiff_file: Make) -> None:
    array = getattr(samples, name)
    photometric = "minisblack" if array.ndim == 2 else "rgb"
    picture = codec.decode(tiff_file(array, photometric=photometric, **options))
    assert picture.pixels.dtype == array.dtype
    assert np.array_equal(picture.pixels.squeeze(), array)
    assert picture.alpha is None


@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}, {"compression": "zlib"}])
@pytest.mark.parametrize("depth", [8, 16])
def test_separate_planes(depth: int, options: dict[str, Any], samples: Any, tiff_file: Make) -> None:
    color, alpha = getattr(samples, f"rgb{depth}"), getattr(samples, f"alpha{depth}")
    planes = np.concatenate([color.transpose(2, 0, 1), alpha[np.newaxis]])
    data = tiff_file(
        planes, photometric="rgb", planarconfig="separate", extrasamples=["unassalpha"], **options
    )
    picture = codec.decode(data)
    assert np.array_equal(picture.pixels, color)
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, alpha)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_in_tiff_is_read_as_libtiff_reads_it(mode: str, samples: Any, pillow_file: Make) -> None:
    image = Image.fromarray(samples.smooth).convert(mode)
    data = pillow_file(image, "TIFF", compression="jpeg", quality=90)
    found = codec.decode(data).pixels.squeeze().astype(int)
    assert np.abs(found - np.asarray(Image.open(io.BytesIO(data)))).max() <= 2
    assert np.abs(found - np.asarray(image)).mean() < 3


def test_jpeg_tiles_at_the_edge(samples: Any, tiff_file: Make) -> None:
    data = tiff_file(samples.smooth, photometric="rgb", compression="jpeg", tile=(16, 16))
    assert np.abs(codec.decode(data).pixels.astype(int) - samples.smooth).mean() < 3


@pytest.mark.parametrize("compression", ["raw", "group3", "group4", "tiff_ccitt"])
def test_scans_of_one_bit(compression: str, samples: Any, pillow_file: Make) -> None:
    image = Image.fromarray(samples.gray8 > 127)
    picture = codec.decode(pillow_file(image, "TIFF", compression=compression))
    assert np.array_equal(picture.pixels[..., 0], np.where(samples.gray8 > 127, 255, 0))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_white_is_zero_is_turned(dtype: Any, samples: Any, tiff_file: Make) -> None:
    array = samples.gray16.astype(dtype)
    picture = codec.decode(tiff_file(array, photometric="miniswhite"))
    assert np.array_equal(picture.pixels[..., 0], np.iinfo(dtype).max - array)


@pytest.mark.parametrize("bits", [9, 12, 14])
def test_odd_depths_fill_their_type(bits: int, samples: Any, tiff_file: Make) -> None:
    array = samples.gray16 >> (16 - bits)
    picture = codec.decode(tiff_file(array, photometric="minisblack", bitspersample=bits))
    assert picture.bits == 16
    assert np.array_equal(picture.pixels[..., 0] >> (16 - bits), array)
    assert picture.pixels.max() > 0.99 * 65_535


def test_palettes(samples: Any, tiff_file: Make) -> None:
    rng = np.random.default_rng(1)
    table = rng.integers(0, 256, (3, 256)).astype(np.uint16)
    expected = table.T[samples.gray8]
    for scale, depth in ((257, 8), (256, 8), (1, 8)):
        picture = codec.decode(tiff_file(samples.gray8, photometric="palette", colormap=table * scale))
        assert picture.bits == depth
        assert np.array_equal(picture.pixels, expected)
    deep = rng.integers(0, 65_536, (3, 256)).astype(np.uint16)
    picture = codec.decode(tiff_file(samples.gray8, photometric="palette", colormap=deep))
    assert np.array_equal(picture.pixels, deep.T[samples.gray8])


@pytest.mark.parametrize("bits", range(1, 9))
def test_palettes_of_few_bits_keep_every_index(bits: int) -> None:
    places = np.arange(1 << bits)
    table = np.random.default_rng(bits).integers(256, 65_536, (3, 1 << bits)).astype("<u2")
    spread = places[:, np.newaxis] >> np.arange(bits)[::-1] & 1
    packed = np.packbits(spread.astype(np.uint8)).tobytes()
    picture = codec.decode(palette_file(packed, bits, table))
    assert np.array_equal(picture.pixels[0], table.T)


def palette_file(packed: bytes, bits: int, table: Any) -> bytes:
    """One row of a palette picture with a column for each color, which no library here writes in odd depths."""
    strip = packed.ljust(-(-len(packed) // 2) * 2, b"\0")
    rows = [
        (256, 4, 1, table.shape[1]), (257, 4, 1, 1), (258, 3, 1, bits), (259, 3, 1, 1), (262, 3, 1, 3),
        (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, 1), (279, 4, 1, len(packed)),
        (320, 3, table.size, 8 + len(strip)),
    ]  # fmt: skip
    start = struct.pack("<4sI", b"II*\0", 8 + len(strip) + table.nbytes)
    entries = b"".join(struct.pack("<HHII", *row) for row in rows)
    colors: bytes = table.tobytes()
    return start + strip + colors + struct.pack("<H", len(rows)) + entries + bytes(4)


def test_alpha_is_unassociated(samples: Any, tiff_file: Make) -> None:
    rgba = np.dstack([samples.rgb8, samples.alpha8])
    plain = codec.decode(tiff_file(rgba, photometric="rgb", extrasamples=["unassalpha"]))
    assert np.array_equal(plain.pixels, samples.rgb8)
    coverage = samples.alpha8[..., np.newaxis] / 255
    multiplied = np.dstack([np.rint(samples.rgb8 * coverage).astype(np.uint8), samples.alpha8])
    divided = codec.decode(tiff_file(multiplied, photometric="rgb", extrasamples=["assocalpha"]))
    assert divided.alpha is not None
    assert np.array_equal(divided.alpha, samples.alpha8)
    solid = samples.alpha8 >= 128
    assert np.abs(divided.pixels.astype(int) - samples.rgb8)[solid].max() <= 1
    # Drawn on black, both are the same picture.
    drawn = np.rint(divided.pixels * coverage)
    assert np.abs(drawn - multiplied[..., :3]).max() <= 1


def test_extra_channels_other_than_alpha_are_left_out_with_a_note(samples: Any, tiff_file: Make) -> None:
    stack = np.dstack([samples.rgb8, samples.gray8, samples.alpha8])
    picture = codec.decode(
        tiff_file(stack, photometric="rgb", extrasamples=["unspecified", "unassalpha"], planarconfig="contig")
    )
    assert np.array_equal(picture.pixels, samples.rgb8)
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, samples.alpha8)
    assert picture.notes == ("1 extra channel left out",)


@pytest.mark.parametrize("white", [1.0, 255.0, 65_535.0, 3000.0])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_float_ranges_come_to_unit_range_and_back(
    white: float, dtype: str, samples: Any, tiff_file: Make
) -> None:
    white = min(white, 65_504.0) if dtype == "float16" else white  # where half precision ends
    array = samples.float32.astype(np.float64)
    array = (array / array.max() * white).astype(dtype)
    picture = codec.decode(tiff_file(array, photometric="rgb"))
    assert picture.bits == 32
    assert picture.notes == (("its samples of 64 bits become 32-bit",) if dtype == "float64" else ())
    assert picture.pixels.max() == pytest.approx(white / max(picture.span[1], white), abs=1e-6)
    assert picture.span[1] in (1, 255, 4095, 65_535)
    assert 0.7 < picture.pixels.max() <= 1
    stored = tifffile.imread(io.BytesIO(codec.encode(picture, "TIFF")))
    assert stored.dtype == np.float32
    assert stored == pytest.approx(array.astype(np.float32), rel=1e-5, abs=1e-5 * white)


def test_highlights_above_white_are_kept(samples: Any, tiff_file: Make) -> None:
    array = samples.float32 * 1.7
    picture = codec.decode(tiff_file(array, photometric="rgb"))
    assert picture.span == (0.0, 1.0)
    assert np.array_equal(picture.pixels, array)


def test_every_page_and_no_thumbnail(samples: Any) -> None:
    stored = io.BytesIO()
    with tifffile.TiffWriter(stored) as writer:
        writer.write(samples.rgb8, photometric="rgb")
        writer.write(samples.rgb8[::2, ::2], photometric="rgb", subfiletype=1)
        writer.write(samples.gray16, photometric="minisblack")
    data = stored.getvalue()
    first = codec.decode(data)
    assert first.remarks == ("first of 2 pages",)
    pages = list(codec.decode_all(data))
    assert [page.bits for page in pages] == [8, 16]
    assert all(page.remarks == () for page in pages)


def test_pages_that_form_a_circle_end(samples: Any, tiff_file: Make) -> None:
    data = bytearray(tiff_file(samples.rgb8, photometric="rgb", metadata=None))
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    struct.pack_into("<I", data, start + 2 + 12 * count, start)
    with pytest.raises(DecodeError):
        list(codec.decode_all(bytes(data)))


def test_16_bit_cmyk_and_float_cmyk(samples: Any, tiff_file: Make) -> None:
    eight = codec.decode(tiff_file(samples.ink, photometric="separated"))
    deep = codec.decode(tiff_file(samples.ink.astype(np.uint16) * 257, photometric="separated"))
    assert (eight.bits, deep.bits) == (8, 16)
    assert np.abs(deep.pixels / 257 - eight.pixels).max() <= 0.51
    ink = samples.ink / 255
    expected = 255 * (1 - ink[..., :3]) * (1 - ink[..., 3:])
    assert np.abs(eight.pixels - expected).max() <= 0.51
    floating = codec.decode(tiff_file(ink.astype(np.float32), photometric="separated"))
    assert floating.pixels == pytest.approx(expected / 255, abs=1e-5)


@pytest.mark.parametrize(
    ("dtype", "options", "words"),
    [
        (np.int16, {}, "int16, is not supported; save it with 8 or 16 bits, unsigned, or floating point$"),
        (np.uint32, {}, "uint32, is not supported; save it with 8 or 16 bits, unsigned, or floating point$"),
        (np.uint8, {"compression": "lzma"}, "LZMA"),
        (np.complex64, {}, "complex"),
        (np.uint8, {"photometric": "cielab"}, "^TIFF in CIELAB is not supported; save it as gray or RGB$"),
    ],
)
def test_what_is_not_supported_is_said_with_what_to_do(
    dtype: Any, options: dict[str, Any], words: str, tiff_file: Make
) -> None:
    shape = (20, 20, 3) if "photometric" in options else (20, 20)
    with pytest.raises(DecodeError, match=words):
        codec.decode(tiff_file(np.ones(shape, dtype=dtype), **{"photometric": "minisblack", **options}))


def patched(data: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF file with another value of an integer tag of its first page."""
    changed = bytearray(data)
    start = struct.unpack_from("<I", changed, 4)[0]
    for row in range(struct.unpack_from("<H", changed, start)[0]):
        place = start + 2 + 12 * row
        number, kind = struct.unpack_from("<HH", changed, place)
        if number == tag:
            struct.pack_into("<H" if kind == 3 else "<I", changed, place + 8, value)
            return bytes(changed)
    raise AssertionError(f"no tag {tag}")


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
def test_small_files_that_claim_gigabytes_allocate_nothing(compression: str | None, tiff_file: Make) -> None:
    data = tiff_file(np.zeros((16, 16), np.uint8), photometric="minisblack", compression=compression)
    huge = patched(patched(data, 256, 20_000), 257, 20_000)
    for bomb in (huge, patched(huge, 278, 20_000)):
        with pytest.raises(DecodeError, match=r"claims 400000000 bytes|parts of the picture"):
            codec.decode(bomb)


def test_a_tile_larger_than_its_picture_is_refused(tiff_file: Make) -> None:
    data = tiff_file(
        np.zeros((16, 16), np.uint8), photometric="minisblack", tile=(16, 16), compression="zlib"
    )
    with pytest.raises(DecodeError, match="tiles"):
        codec.decode(patched(patched(data, 322, 65_520), 323, 65_520))


def test_a_jpeg_larger_than_its_strip_is_refused(samples: Any, tiff_file: Make) -> None:
    data = tiff_file(samples.gray8, photometric="minisblack", compression="jpeg")
    frame = data.index(b"\xff\xc0")
    huge = data[: frame + 5] + struct.pack(">HH", 60_000, 60_000) + data[frame + 9 :]
    with pytest.raises(DecodeError, match="larger than its place"):
        codec.decode(huge)


@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}])
def test_a_jpeg_part_that_is_cut_off_is_refused(
    options: dict[str, Any], samples: Any, tiff_file: Make
) -> None:
    data = bytearray(tiff_file(samples.rgb8, photometric="rgb", compression="jpeg", **options))
    assert codec.decode(bytes(data)).notes == ()
    end = data.rindex(b"\xff\xd9")
    data[end - 20 : end + 2] = bytes(22)  # as a damaged disk has it
    with pytest.raises(DecodeError, match="a JPEG part of the picture is cut off"):
        codec.decode(bytes(data))


def test_a_strip_outside_the_file_is_refused(samples: Any, tiff_file: Make) -> None:
    data = tiff_file(samples.gray8, photometric="minisblack", metadata=None)
    with pytest.raises(DecodeError, match="cut off"):
        codec.decode(patched(data, 273, len(data) - 10))


def test_unpremultiply_leaves_hidden_color_and_clips() -> None:
    pixels = np.array([[[10], [10], [200]]], dtype=np.uint8)
    alpha = np.array([[0, 51, 100]], dtype=np.uint8)
    assert tiffread.unpremultiply(pixels, alpha).ravel().tolist() == [10, 50, 255]


def test_written_files_are_read_by_libtiff(samples: Any) -> None:
    alpha = Picture(samples.rgb8, samples.alpha8)
    with Image.open(io.BytesIO(codec.encode(alpha, "TIFF"))) as image:
        assert image.mode == "RGBA"
        assert np.array_equal(np.asarray(image), np.dstack([samples.rgb8, samples.alpha8]))
    with Image.open(io.BytesIO(codec.encode(Picture(samples.gray16[..., np.newaxis]), "TIFF"))) as image:
        assert np.array_equal(np.asarray(image), samples.gray16)


def test_the_shape_that_tifffile_describes_is_not_told_of_another_picture() -> None:
    stored = io.BytesIO()
    tifffile.imwrite(stored, np.zeros((4, 6, 3), np.uint8), photometric="rgb")
    assert b'{"shape"' in stored.getvalue()
    assert b'{"shape"' not in codec.encode(codec.decode(stored.getvalue()), "TIFF")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_value_for_no_data_that_leaves_the_others_no_room_is_refused(dtype: str, tiff_file: Make) -> None:
    row = np.array([[100, 50, 30, np.finfo(np.float32).min]], dtype)
    with pytest.raises(DecodeError, match=r"from -3\.40282e\+38 to 100, .*replace values that mean no data"):
        codec.decode(tiff_file(row))
    part = codec.decode_part(tiff_file(row))
    assert part.span == (0.0, 1.0) and np.array_equal(part.pixels[..., 0], row)


def test_a_part_of_a_file_keeps_its_values(samples: Any, tiff_file: Make) -> None:
    array = samples.float32 * 700 - 300
    assert np.array_equal(codec.decode_part(tiff_file(array, photometric="rgb")).pixels, array)
    huge = codec.decode_part(tiff_file(np.array([[1.0, 1e300]]))).pixels
    assert np.isfinite(huge).all() and huge.max() == np.finfo(np.float32).max
