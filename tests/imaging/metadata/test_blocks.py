"""IPTC data and GeoTIFF tags go on where the result can hold them; what goes nowhere is said."""

import io
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import tifffile
from PIL import Image, IptcImagePlugin, PngImagePlugin

from nsr_cli.imaging import codec, ifd
from nsr_cli.imaging.limits import MOST_METADATA
from nsr_cli.imaging.metadata import geotiff, iptc, rawprofile
from nsr_cli.imaging.picture import XMP_KEY, Metadata, Picture
from tests.imaging.files import enlarged, png_with

Make = Callable[..., bytes]

CAPTION = b"Harbor at dusk"
DATA = b"\x1c\x02\x00\x00\x02\x00\x04" + b"\x1c\x02\x78" + struct.pack(">H", len(CAPTION)) + CAPTION
GEO = [
    (33550, 12, 3, (0.5, 0.5, 0.0), True),
    (33922, 12, 6, (0.0, 0.0, 0.0, 440720.0, 3751320.0, 0.0), True),
    (34735, 3, 8, (1, 1, 0, 1, 1024, 0, 1, 1), True),
    (34737, 2, 0, "UTM zone 11|", True),
    (42113, 2, 0, "-9999", True),
]
PLACE = "the place on the map (GeoTIFF) is left out"
REST = "the rest of its Photoshop block is left out"


def resource(number: int, content: bytes, name: bytes = b"") -> bytes:
    """A resource of a Photoshop block."""
    label = bytes([len(name)]) + name
    label += b"\0" * (len(label) % 2)
    head = b"8BIM" + struct.pack(">H", number) + label + struct.pack(">I", len(content))
    return head + content + b"\0" * (len(content) % 2)


def with_segment(data: bytes, marker: int, *contents: bytes) -> bytes:
    """A JPEG file with segments put in after its first one."""
    place = 4 + int.from_bytes(data[4:6], "big")
    segments = (bytes([0xFF, marker]) + struct.pack(">H", len(one) + 2) + one for one in contents)
    return data[:place] + b"".join(segments) + data[place:]


def photoshop_jpeg(samples: Any, pillow_file: Make, *blocks: bytes) -> bytes:
    plain = pillow_file(Image.fromarray(samples.smooth), "JPEG", quality=95)
    return with_segment(plain, 0xED, *(b"Photoshop 3.0\0" + block for block in blocks))


def caption_of(data: bytes, kind: str) -> bytes:
    """The caption, as Pillow reads it."""
    with Image.open(io.BytesIO(data)) as image:
        assert isinstance(image, (PngImagePlugin.PngImageFile, Image.Image))
        if kind == "PNG":
            lines = image.info["Raw profile type iptc"].split("\n")
            block = bytes.fromhex("".join(lines[3:]))
            assert (lines[1], int(lines[2])) == ("iptc", len(block))
            start = block.index(b"\x1c\x02\x78")
            return block[start + 5 : start + 5 + int.from_bytes(block[start + 3 : start + 5], "big")]
        found: Any = IptcImagePlugin.getiptcinfo(image)
        return bytes(found[(2, 120)])


@pytest.mark.parametrize("target", ["JPEG", "TIFF", "PNG"])
@pytest.mark.parametrize(
    "source", ["JPEG", "TIFF", "TIFF in longs", "Photoshop TIFF", "PNG", "PNG by ExifTool"]
)
def test_iptc_data_goes_from_each_format_to_each(
    source: str, target: str, samples: Any, pillow_file: Make, tiff_file: Make
) -> None:
    if source == "JPEG":
        data = photoshop_jpeg(samples, pillow_file, resource(0x0404, DATA))
    elif source.startswith("PNG"):
        block = resource(0x0404, DATA)
        name = "IPTC profile" if "ExifTool" in source else "iptc"
        info = PngImagePlugin.PngInfo()
        info.add_text("Raw profile type iptc", f"\n{name}\n{len(block):8}\n{block.hex()}\n", zip=True)
        data = pillow_file(Image.fromarray(samples.smooth), "PNG", pnginfo=info)
    else:
        padded = DATA + b"\0" * (-len(DATA) % 4)
        tag = {
            "TIFF": (33723, 7, len(DATA), DATA, True),
            "TIFF in longs": (33723, 4, len(padded) // 4, padded, True),
            "Photoshop TIFF": (34377, 7, 0, resource(0x0404, DATA), True),
        }[source]
        data = tiff_file(samples.smooth, photometric="rgb", extratags=[tag])
    picture = codec.decode(data)
    assert "IPTC is left out" not in codec.losses(picture, target)
    larger = enlarged(picture, 2, 1)
    made = codec.encode(larger, target)
    assert caption_of(made, target) == CAPTION
    again = codec.decode(made)
    assert again.metadata.iptc == picture.metadata.iptc
    assert again.pixels.shape == larger.pixels.shape
    assert again.metadata.left_out == ()


@pytest.mark.parametrize("block", [b"junk", b"8BIM", resource(0x0404, b"no data")[:-9]])
def test_a_photoshop_block_that_cannot_be_read_is_said(block: bytes) -> None:
    assert iptc.from_photoshop(block) == (None, ("the rest of its Photoshop block",))
    assert iptc.from_photoshop(b"") == (None, ())


@pytest.mark.parametrize("kind", ["WEBP", "BMP", "GIF", "PPM"])
def test_formats_without_iptc_say_so(kind: str, samples: Any) -> None:
    assert "IPTC is left out" in codec.losses(Picture(samples.rgb8, metadata=Metadata(iptc=DATA)), kind)


def test_iptc_data_that_no_jpeg_segment_holds_is_left_out_and_said(samples: Any) -> None:
    most = 65_533 - len(b"Photoshop 3.0\0") - 12
    for size, fits in ((most - most % 2, True), (most + 2, False)):
        data = DATA + bytes(size - len(DATA))
        picture = Picture(samples.smooth, metadata=Metadata(iptc=data))
        assert ("IPTC is left out" in codec.losses(picture, "JPEG")) != fits
        assert codec.decode(codec.encode(picture, "JPEG")).metadata.iptc == (data if fits else None)
        for kind in ("PNG", "TIFF"):
            assert codec.decode(codec.encode(picture, kind)).metadata.iptc == data


def test_segments_stay_in_the_order_that_readers_expect(
    samples: Any, rgb_profile: bytes, exif_block: Any
) -> None:
    meta = Metadata(exif=exif_block(1), icc=rgb_profile, dpi=(300.0, 300.0), iptc=DATA)
    data = codec.encode(Picture(samples.smooth, metadata=meta), "JPEG")
    assert data[2:4] == b"\xff\xe0"  # JFIF comes first
    again = codec.decode(data).metadata
    assert (again.exif, again.icc, again.dpi, again.iptc) == (meta.exif, meta.icc, meta.dpi, DATA)


def test_the_rest_of_a_photoshop_block_is_said(samples: Any, pillow_file: Make, tiff_file: Make) -> None:
    path = resource(2000, b"\0" * 26, b"Path 1")
    repeated = b"".join(resource(number, b"old") for number in (0x03ED, 0x0409, 0x040C, 0x0425))
    for block, said in ((path + resource(0x0404, DATA), True), (repeated + resource(0x0404, DATA), False)):
        for data in (
            photoshop_jpeg(samples, pillow_file, block),
            photoshop_jpeg(samples, pillow_file, block[:9], block[9:]),  # spread over two segments
            tiff_file(samples.smooth, photometric="rgb", extratags=[(34377, 7, 0, block, True)]),
        ):
            picture = codec.decode(data)
            assert picture.metadata.iptc == DATA
            assert codec.losses(picture, "PNG") == ((REST,) if said else ())


def test_layers_of_photoshop_are_said(samples: Any, tiff_file: Make) -> None:
    data = tiff_file(samples.rgb8, photometric="rgb", extratags=[(37724, 7, 0, b"Adobe Photoshop", True)])
    assert codec.losses(codec.decode(data), "TIFF") == ("its Photoshop layers are left out",)


@pytest.mark.parametrize(
    "block",
    [
        b"8BIM",
        b"8BIM\4\4",
        b"8BIM\4\4\xff",
        b"8BIM\4\4\0\0\xff\xff\xff\xff\x1c",
        b"8BIM\4\4\0\0\0\0\0\x09\x1c",
        resource(0x0404, b""),
        b"junk" * 9,
        b"",
    ],
)
def test_a_damaged_photoshop_block_harms_nothing(
    block: bytes, samples: Any, pillow_file: Make, tiff_file: Make
) -> None:
    jpeg = codec.decode(photoshop_jpeg(samples, pillow_file, block))
    tags = [(34377, 7, 0, block or b"\0", True), (33723, 7, 0, block or b"\0", True)]
    tiff = codec.decode(tiff_file(samples.smooth, photometric="rgb", extratags=tags))
    for picture in (jpeg, tiff):
        assert picture.metadata.iptc is None
        assert np.abs(picture.pixels.astype(int) - samples.smooth).mean() < 2
    assert "IPTC is left out" in codec.losses(tiff, "TIFF")  # what stood there was no IPTC data


def test_iptc_data_without_end_is_left_out(samples: Any, tiff_file: Make) -> None:
    tags = [(tag, 7, 0, DATA + bytes(MOST_METADATA), True) for tag in (33723, 34377)]
    picture = codec.decode(tiff_file(samples.rgb8, photometric="rgb", extratags=tags))
    assert picture.metadata.iptc is None
    assert codec.losses(picture, "TIFF") == ("IPTC is left out", REST)


@pytest.mark.parametrize(
    ("name", "content", "kept"),
    [
        ("exif", b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", "exif"),
        ("APP1", b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", "exif"),
        ("APP1", b"http://ns.adobe.com/xap/1.0/\0<x/>", "xmp"),
        ("xmp", b"<x/>", "xmp"),
        ("iptc", DATA, "iptc"),
        ("8bim", resource(0x0404, DATA), "iptc"),
        ("iptc", b"Photoshop 3.0\0" + resource(0x0404, DATA), "iptc"),
    ],
)
def test_raw_profiles_go_to_their_places(name: str, content: bytes, kept: str) -> None:
    text = f"\n{name}\n{len(content):8}\n{content.hex()}\n"
    found = rawprofile.unfold(Metadata(text=(("Title", "a"), (f"Raw profile type {name}", text))))
    places = {"exif": found.exif, "xmp": found.get_text(XMP_KEY), "iptc": found.iptc}
    assert [key for key, value in places.items() if value] == [kept]
    assert found.left_out == ()
    assert ("Title", "a") in found.text


def test_a_raw_profile_gives_way_to_a_chunk_and_damage_is_said() -> None:
    text = "\nicc\n 3\n616263\n"
    both = Metadata(icc=b"chunk", text=(("Raw profile type icc", text),))
    assert rawprofile.unfold(both).icc == b"chunk"
    assert rawprofile.unfold(Metadata(text=both.text)).icc == b"abc"
    for name, digits in (("iptc", "\niptc\n 2\nxyz"), ("exif", ""), ("tea", text)):
        found = rawprofile.unfold(Metadata(text=((f"Raw profile type {name}", digits),)))
        assert found == Metadata(left_out=("a raw profile that is damaged or unknown",))


def test_extended_xmp_and_xmp_that_is_not_utf8_are_said(
    samples: Any, pillow_file: Make, tiff_file: Make
) -> None:
    image = Image.fromarray(samples.smooth)
    wide = "<x/>".encode("utf-16")
    plain = pillow_file(image, "JPEG", xmp=b"<x/>")
    long = with_segment(plain, 0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40 + b"<y/>")
    assert codec.losses(codec.decode(plain), "PNG") == ()
    assert codec.losses(codec.decode(long), "PNG") == ("the extended XMP is left out",)
    for data in (
        pillow_file(image, "JPEG", xmp=wide),
        pillow_file(image, "WEBP", lossless=True, xmp=wide),
        tiff_file(samples.smooth, photometric="rgb", extratags=[(700, 1, len(wide), wide, True)]),
    ):
        picture = codec.decode(data)
        assert codec.losses(picture, "PNG") == ("XMP that is not UTF-8 is left out",)
        assert picture.metadata.get_text(XMP_KEY) is None


def test_white_point_and_primaries_of_a_tiff_go_on_and_its_transfer_function_is_said(
    samples: Any, tiff_file: Make
) -> None:
    white, primaries = (3127, 10000, 3290, 10000), (64, 100, 33, 100, 21, 100, 71, 100, 15, 100, 6, 100)
    curve = (301, 3, 256, tuple(range(0, 65536, 256)), True)
    tags = [(318, 5, 2, white, True), (319, 5, 6, primaries, True)]
    picture = codec.decode(tiff_file(samples.rgb8, photometric="rgb", extratags=[*tags, curve]))
    assert codec.losses(picture, "TIFF") == ("its transfer function is left out",)
    found = tags_of(codec.encode(picture, "TIFF"))
    assert (found[318], found[319]) == (white, primaries) and 301 not in found
    with Image.open(io.BytesIO(codec.encode(picture, "PNG"))) as image:
        assert [float(x) for x in image.getexif()[319]] == [0.64, 0.33, 0.21, 0.71, 0.15, 0.06]
    plain = codec.decode(tiff_file(samples.rgb8, photometric="rgb", extratags=tags))
    assert codec.losses(plain, "PNG") == codec.losses(plain, "TIFF") == ()


def test_the_content_of_private_tags_is_left_out_with_a_note(samples: Any, tiff_file: Make) -> None:
    one, several = [(65000, 2, 6, b"hello\0", True)], [(65000 + i, 3, 1, i, True) for i in range(7)]
    for tags, named in ((one, "tag (65000)"), (several, "tags (65000, 65001, 65002, 65003, 65004 and more)")):
        picture = codec.decode(tiff_file(samples.rgb8, photometric="rgb", extratags=tags))
        for kind in ("TIFF", "PNG"):
            assert codec.losses(picture, kind) == (f"the content of its TIFF {named} is left out",)
    stored = {"tile": (16, 16), "compression": "lzw", "predictor": True, "resolution": (300, 300)}
    rgba = np.dstack([samples.rgb8, samples.alpha8])
    assert (
        codec.losses(codec.decode(tiff_file(rgba, photometric="rgb", extrasamples=[2], **stored)), "TIFF")
        == ()
    )


def test_segments_and_chunks_of_which_nothing_is_read_are_named(samples: Any, pillow_file: Make) -> None:
    image = Image.fromarray(samples.smooth)
    jpeg = pillow_file(image, "JPEG", xmp=b"<x/>", exif=Image.Exif(), icc_profile=bytes(200), comment=b"dusk")
    assert codec.losses(codec.decode(jpeg), "PNG") == ()
    for marker, content, name in (
        (0xE1, b"FLIR\0\1", "APP1 FLIR"),
        (0xEB, b"JP\0\1", "APP11 JP"),
        (0xE5, b"\x1b[2J", "APP5"),
    ):
        left_out = f"the content of its JPEG segment ({name}) is left out"
        assert codec.losses(codec.decode(with_segment(jpeg, marker, content)), "PNG") == (left_out,)
    png = pillow_file(image, "PNG", dpi=(72, 72))
    assert codec.losses(codec.decode(png), "PNG") == ()
    further = png_with(png, (b"oFFs", bytes(9)), (b"tIME", bytes(7)), (b"caBX", b"claim"))
    left_out = "the content of its PNG chunks (oFFs, caBX) is left out"
    assert codec.losses(codec.decode(further), "PNG") == (left_out,)


def test_adobe_rgb_that_only_exif_states_is_said_where_it_cannot_be_kept(
    samples: Any, pillow_file: Make, tiff_file: Make
) -> None:
    block = Image.Exif()
    block.get_ifd(0x8769)[0xA005] = {1: "R03", 2: b"0100"}
    picture = codec.decode(pillow_file(Image.fromarray(samples.smooth), "JPEG", exif=block))
    left_out = ("Adobe RGB (its EXIF interoperability index) is left out",)
    assert codec.losses(picture, "TIFF") == left_out
    assert codec.losses(picture, "PNG") == ()
    again = codec.decode(codec.encode(picture, "PNG"))
    assert codec.losses(again, "TIFF") == left_out
    index = ifd.Value(1, 2, 4, b"R03\0")
    for value, said in ((index, left_out), (replace(index, data=b"R98\0"), ())):
        data = tiff_file(samples.gray8, photometric="minisblack", extratags=[(65000, 4, 1, 0, True)])
        own = ifd.build_directory([value], len(data))
        above = ifd.build_directory([ifd.Value(40965, 4, 1, struct.pack("<I", len(data)))], 0)
        row, other = (
            struct.pack("<HHII", *entry) for entry in ((65000, 4, 1, 0), (34665, 4, 1, len(data + own)))
        )
        data = data.replace(row, other) + own + above
        assert codec.losses(codec.decode(data), "TIFF") == said


def tags_of(data: bytes) -> dict[int, Any]:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return {tag.code: tag.value for tag in file.pages[0].tags}  # type: ignore[union-attr]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_the_place_on_the_map_stays_with_the_size(order: Literal["<", ">"], big: bool, samples: Any) -> None:
    stored = io.BytesIO()
    tifffile.imwrite(stored, samples.rgb16, photometric="rgb", byteorder=order, bigtiff=big, extratags=GEO)
    before = tags_of(stored.getvalue())
    picture = codec.decode(stored.getvalue())
    assert codec.losses(picture, "TIFF") == ()
    after = tags_of(codec.encode(picture.with_pixels(picture.pixels // 2, None), "TIFF"))
    assert {tag: after[tag] for tag, *_ in GEO} == {tag: before[tag] for tag, *_ in GEO}
    assert np.array_equal(codec.decode(codec.encode(picture, "TIFF")).pixels, samples.rgb16)


def test_the_place_on_the_map_is_left_out_of_another_size_or_format_and_said(
    samples: Any, tiff_file: Make
) -> None:
    picture = codec.decode(tiff_file(samples.rgb8, photometric="rgb", extratags=GEO))
    larger = enlarged(picture, 1, 2)
    assert codec.losses(larger, "TIFF") == (PLACE,)
    assert not tags_of(codec.encode(larger, "TIFF")).keys() & geotiff.TAGS
    assert codec.losses(picture, "PNG") == (PLACE,)
    turned = codec.decode(
        tiff_file(samples.rgb8, photometric="rgb", extratags=[*GEO, (ifd.ORIENTATION, 3, 1, 3, True)])
    )
    assert turned.metadata.geo is None
    assert codec.losses(turned, "TIFF") == (PLACE,)


def test_a_damaged_geotiff_block_is_ignored() -> None:
    assert geotiff.unpack(b"junk", 3, 3) == []
    assert geotiff.pack([], 3, 3) is None


def test_the_tags_of_windows_go_on(samples: Any, pillow_file: Make, tiff_file: Make) -> None:
    title = "Hafen\0".encode("utf-16-le")
    block = Image.Exif()
    block[0x9C9B] = title
    jpeg = pillow_file(Image.fromarray(samples.smooth), "JPEG", exif=block)
    tiff = tiff_file(samples.smooth, photometric="rgb", extratags=[(0x9C9B, 1, len(title), title, True)])
    for data in (jpeg, tiff):
        for kind in ("JPEG", "PNG", "TIFF"):
            again = Image.Exif()
            again.load(codec.decode(codec.encode(codec.decode(data), kind)).metadata.exif or b"")
            assert bytes(again[0x9C9B]) == title


def test_strip_drops_all_of_it_but_what_the_colors_mean() -> None:
    kept = Metadata(icc=b"i", dpi=(72.0, 72.0), color=(("gAMA", bytes(4)),))
    meta = replace(kept, exif=b"e", text=(("a", "b"),), iptc=DATA, geo=b"g", left_out=("its layers",))
    assert meta.stripped() == kept


def test_the_text_of_a_png_has_short_lines() -> None:
    lines = iptc.to_text(bytes([0x1C]) * 999).decode().split("\n")
    assert max(map(len, lines)) == 72
