"""EXIF, profiles, resolution and texts travel between all formats that can hold them."""

import contextlib
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec, ifd, rebuild
from nsr_cli.imaging.metadata import exif, xmp
from nsr_cli.imaging.picture import XMP_KEY, Metadata, Picture
from tests.imaging.files import enlarged, png_with

Make = Callable[..., bytes]

PACKET = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    '<?xpacket end="w"?>'
)
TEXTS = (("nsr", '{"model":"x2","s":2.5,"weird":"<&>\\" ]]> é 漢 \r\n"}'), ("Title", "two\nlines"))


def exif_of(picture: Picture) -> Image.Exif:
    """The EXIF block of a picture, read by Pillow."""
    block = Image.Exif()
    block.load(picture.metadata.exif or b"")
    return block


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_orientation_is_applied_and_reset(
    kind: str, orientation: int, samples: Any, exif_block: Callable[[int], bytes], pillow_file: Make
) -> None:
    choices: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}
    image = Image.fromarray(samples.smooth)
    data = pillow_file(image, kind, exif=exif.PREFIX + exif_block(orientation), **choices.get(kind, {}))
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    expected = np.asarray(image if turn is None else image.transpose(turn))
    picture = codec.decode(data)
    assert picture.pixels.shape == expected.shape
    assert np.abs(picture.pixels.astype(int) - expected).mean() < 2
    for found in (picture, codec.decode(codec.encode(picture, kind))):
        assert found.pixels.shape == expected.shape
        assert exif_of(found).get(0x0112, 1) == 1
        assert exif_of(found)[0x010F] == "Lumen"


@pytest.mark.parametrize("target", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_everything_is_carried_and_read_by_others(
    source: str, target: str, samples: Any, exif_block: Callable[[int], bytes], rgb_profile: bytes
) -> None:
    meta = Metadata(exif_block(1), rgb_profile, (300.0, 150.0), ((XMP_KEY, PACKET), *TEXTS))
    picture = codec.decode(codec.encode(Picture(samples.smooth, metadata=meta), source))
    larger = enlarged(picture, 2, 3)
    data = codec.encode(larger, target)
    again = codec.decode(data)
    assert again.metadata.icc == rgb_profile
    assert again.metadata.dpi is not None
    assert again.metadata.dpi == pytest.approx((300, 150), abs=0.02)
    assert dict(again.metadata.text) == dict(meta.text)
    block = exif_of(again)
    assert (block[0x010F], block[0x0110]) == ("Lumen", "Box 3")
    inner = block.get_ifd(0x8769)
    assert inner[0x829A] == pytest.approx(0.005)
    assert (inner[0xA002], inner[0xA003]) == (larger.width, larger.height)
    assert block.get_ifd(0x8825)[1] == "N"
    with Image.open(io.BytesIO(data)) as image:  # another reader finds the same
        assert image.info["icc_profile"] == rgb_profile
        assert image.getexif()[0x010F] == "Lumen"
        assert image.getexif().get_ifd(0x8769)[0xA002] == larger.width
        if target != "WEBP":
            assert image.info["dpi"] == pytest.approx((300, 150), abs=0.02)
    assert codec.losses(larger, target) == (("compression is lossy",) if target == "JPEG" else ())


def test_bmp_keeps_the_resolution_and_the_rest_is_said(
    samples: Any, exif_block: Any, rgb_profile: bytes
) -> None:
    meta = Metadata(exif_block(1), rgb_profile, (300.0, 150.0), TEXTS)
    picture = Picture(samples.rgb8, metadata=meta)
    again = codec.decode(codec.encode(picture, "BMP"))
    assert again.metadata.dpi == pytest.approx((300, 150), abs=0.02)
    assert codec.losses(picture, "BMP") == (
        "EXIF is left out",
        "the color profile is left out",
        "texts are left out",
    )
    assert "the resolution in DPI is left out" in codec.losses(picture, "PPM")


def test_the_resolution_turns_with_the_picture(samples: Any, exif_block: Any, pillow_file: Make) -> None:
    data = pillow_file(Image.fromarray(samples.smooth), "PNG", exif=exif_block(6), dpi=(300, 150))
    assert codec.decode(data).metadata.dpi == pytest.approx((150, 300), abs=0.02)


@pytest.mark.parametrize("target", ["PNG", "JPEG", "WEBP", "TIFF", "GIF"])
def test_every_comment_of_a_jpeg_file_is_kept(target: str, samples: Any, pillow_file: Make) -> None:
    """Programs add theirs, such as how they compressed the picture, behind one that is there."""
    plain = pillow_file(Image.fromarray(samples.gray8), "JPEG")
    two = (b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text for text in ("ä".encode(), b"\xfc"))
    picture = codec.decode(plain[:2] + b"".join(two) + plain[2:])
    assert picture.metadata.text == (("Comment", "ä"), ("Comment", "ü"))
    found = codec.decode(codec.encode(picture, target)).metadata.text
    assert "\n".join(value for _, value in found) == "ä\nü"


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_resolution_in_exif_and_xmp_turns_with_the_picture(
    turn: int, samples: Any, pillow_file: Make
) -> None:
    """ExifTool and Photoshop read it there, and the record of the file beside it says the same."""
    block = Image.Exif()
    block[ifd.ORIENTATION], block[exif.X_RESOLUTION], block[exif.Y_RESOLUTION] = turn, 300.0, 150.0
    packet = '<x tiff:XResolution="300/1" tiff:YResolution="150/1"/>'
    options = {"exif": block.tobytes(), "xmp": packet.encode()}
    meta = codec.decode(
        pillow_file(Image.fromarray(samples.smooth), "JPEG", dpi=(300, 150), **options)
    ).metadata
    upright = (150, 300) if turn >= 5 else (300, 150)
    assert meta.dpi == pytest.approx(upright)
    assert exif.resolution(meta.exif or b"") == pytest.approx(upright)
    assert f'tiff:XResolution="{upright[0]}/1"' in (meta.get_text(XMP_KEY) or "")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_resolution_that_exif_alone_states_goes_on(kind: str, samples: Any, pillow_file: Make) -> None:
    """ExifTool writes it there; a TIFF result has no other place for it than its own tags."""
    block = Image.Exif()
    block[exif.X_RESOLUTION], block[exif.Y_RESOLUTION], block[exif.RESOLUTION_UNIT] = 240.0, 120.0, 2
    picture = codec.decode(pillow_file(Image.fromarray(samples.smooth), kind, exif=block.tobytes()))
    assert codec.decode(codec.encode(picture, "TIFF")).metadata.dpi == pytest.approx((240, 120))


def test_an_upright_picture_does_not_keep_a_turned_copy_in_xmp(
    samples: Any, exif_block: Any, pillow_file: Make
) -> None:
    data = pillow_file(
        Image.fromarray(samples.smooth), "JPEG", exif=exif.PREFIX + exif_block(6), xmp=PACKET.encode()
    )
    text = codec.decode(data).metadata.get_text(XMP_KEY)
    assert text == PACKET.replace('"6"', '"1"')


def test_the_thumbnail_of_the_old_picture_is_unlinked(exif_block: Any) -> None:
    block = exif_block(6)  # big-endian, as Pillow writes it
    end = 8 + 2 + 12 * int.from_bytes(block[8:10], "big")
    linked = block[:end] + len(block).to_bytes(4, "big") + block[end + 4 :]
    linked += bytes([0, 1, 1, 3, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0]) + bytes(4)
    upright = exif.make_upright(linked, 6)
    assert upright[end : end + 4] == bytes(4)
    assert exif.orientation(linked) == 6
    assert exif.orientation(upright) == 1
    assert len(upright) == len(linked)


def test_makers_notes_keep_their_place(exif_block: Any) -> None:
    # A maker's note may point to its own absolute position, so a carried block changes in place only.
    block = exif_block(6)
    changed = exif.with_size(exif.make_upright(block, 6), 400, 300)
    assert len(changed) == len(block)
    assert sum(a != b for a, b in zip(block, changed, strict=True)) <= 1 + 4


@pytest.mark.parametrize("order", ["<", ">"])
def test_sides_above_16_bits_fit_short_entries(order: str) -> None:
    head = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, 1)
    pointer = struct.pack(f"{order}HHIII", 0x8769, 4, 1, 26, 0)
    block = head + pointer + struct.pack(f"{order}HHHIHHI", 1, 0xA002, 3, 1, 640, 0, 0)
    for side in (800, 70_000):
        loaded = Image.Exif()
        loaded.load(exif.with_size(block, side, 5))
        assert loaded.get_ifd(0x8769)[0xA002] == side


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"II*\0",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"XX" + bytes(40),
        b"II*\0\xf0\xff\xff\xff",
        b"II+\0\x08\0\0\0\x10" + bytes(23),  # a BigTIFF header, which no block has
    ],
)
def test_damaged_exif_is_left_out_with_a_note(junk: bytes, samples: Any) -> None:
    picture = rebuild.finish(samples.rgb8, None, Metadata(exif=junk), "PNG")
    assert picture.metadata.exif is None
    assert any("EXIF" in note for note in picture.notes)
    assert exif.with_size(junk, 3, 3) == junk


def test_random_exif_never_raises_anything_else() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        junk = (b"II*\0", b"MM\0*")[int(rng.integers(2))] + rng.integers(0, 256, 80, dtype=np.uint8).tobytes()
        junk = junk[:4] + bytes([0, 0, 0, 8] if junk[:2] == b"MM" else [8, 0, 0, 0]) + junk[8:]
        exif.resolution(junk)
        with contextlib.suppress(ifd.DirectoryError):
            assert len(exif.make_upright(junk, 6)) == len(junk)
            assert 1 <= exif.orientation(junk) <= 8


def test_profiles_that_do_not_fit_are_dropped_with_a_note(
    samples: Any, rgb_profile: bytes, gray_profile: bytes, cmyk_profile: bytes
) -> None:
    gray, color = samples.gray8[..., np.newaxis], samples.rgb8
    for pixels, icc, kept in (
        (gray, gray_profile, True),
        (color, rgb_profile, True),
        (gray, rgb_profile, False),
        (color, gray_profile, False),
        (color, cmyk_profile, False),
        (color, b"junk" * 100, False),
    ):
        picture = rebuild.finish(pixels, None, Metadata(icc=icc), "PNG")
        assert (picture.metadata.icc == icc) == kept
        assert any("profile" in note for note in picture.notes) != kept


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_gray_profile_stays_with_gray(kind: str, samples: Any, gray_profile: bytes) -> None:
    picture = Picture(samples.smooth_gray[..., np.newaxis].copy(), metadata=Metadata(icc=gray_profile))
    again = codec.decode(codec.encode(picture, kind))
    assert again.metadata.icc == (None if kind == "WEBP" else gray_profile)  # WebP has no gray
    assert again.notes == ()
    assert ("the color profile is left out" in codec.losses(picture, kind)) == (kind == "WEBP")


def test_a_gray_palette_with_an_rgb_profile_stays_rgb(
    samples: Any, rgb_profile: bytes, pillow_file: Make
) -> None:
    image = Image.fromarray(samples.gray8 // 16 * 16).convert("RGB").quantize(16)
    picture = codec.decode(pillow_file(image, "PNG", icc_profile=rgb_profile))
    assert picture.channels == 3
    assert picture.metadata.icc == rgb_profile


def test_png_texts_of_all_kinds_are_read(samples: Any, pillow_file: Make) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Plain", "latin é")
    info.add_text("Packed", "again " * 50, zip=True)
    info.add_itxt("Wide", "漢字", "zh", "k")
    info.add_itxt("WidePacked", "漢字" * 40, zip=True)
    picture = codec.decode(pillow_file(Image.fromarray(samples.rgb8), "PNG", pnginfo=info))
    expected = {"Plain": "latin é", "Packed": "again " * 50, "Wide": "漢字", "WidePacked": "漢字" * 40}
    assert dict(picture.metadata.text) == expected
    with Image.open(io.BytesIO(codec.encode(picture, "PNG"))) as again:
        assert isinstance(again, PngImagePlugin.PngImageFile)
        assert dict(again.text) == expected


def test_exif_as_hexadecimal_text_is_read(samples: Any, exif_block: Any, pillow_file: Make) -> None:
    block = exif.PREFIX + exif_block(3)
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n", zip=True)
    picture = codec.decode(pillow_file(Image.fromarray(samples.rgb8), "PNG", pnginfo=info))
    assert np.array_equal(picture.pixels, samples.rgb8[::-1, ::-1])
    assert exif_of(picture)[0x010F] == "Lumen"
    assert picture.metadata.text == ()


def test_a_text_bomb_in_a_png_is_left_out(samples: Any) -> None:
    bomb = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    picture = codec.decode(png_with(codec.encode(Picture(samples.rgb8), "PNG"), (b"zTXt", bomb)))
    assert picture.metadata.text == ()
    assert any("zTXt" in note for note in picture.notes)
    assert np.array_equal(picture.pixels, samples.rgb8)


def test_what_no_jpeg_segment_holds_is_left_out_and_said(samples: Any, exif_block: Any) -> None:
    block = exif_block(1) + bytes(70_000)
    meta = Metadata(exif=block, text=((XMP_KEY, PACKET + " " * 70_000),))
    picture = Picture(samples.smooth, metadata=meta)
    assert codec.losses(picture, "JPEG") == ("compression is lossy", "EXIF is left out", "texts are left out")
    again = codec.decode(codec.encode(picture, "JPEG"))
    assert again.metadata.exif is None
    assert again.metadata.text == ()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_texts_that_no_packet_takes_are_said_to_be_left_out(kind: str, samples: Any) -> None:
    """Nothing is added to a packet that has no place for it."""
    odd = (XMP_KEY, '<x:xmpmeta xmlns:x="adobe:ns:meta/"/>')
    for text, kept in (((odd, ("Title", "a")), kind == "PNG"), ((odd,), True)):
        picture = Picture(samples.smooth, metadata=Metadata(text=text))
        assert ("texts are left out" not in codec.losses(picture, kind)) == kept
        assert (codec.decode(codec.encode(picture, kind)).metadata.text == text) == kept


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("prefix", ["r:", "RDF:", ""])
def test_a_packet_may_call_its_elements_differently_from_all_others(
    prefix: str, kind: str, samples: Any
) -> None:
    odd = PACKET.replace("xmlns:rdf", f"xmlns:{prefix[:-1]}" if prefix else "xmlns")
    odd = odd.replace("rdf:", prefix).replace(f"{prefix}RDF>", f"{prefix}RDF >").replace('"6"', '"1"')
    text = ((XMP_KEY, odd), *TEXTS)
    packed = xmp.pack(text) or ""
    ET.fromstring(packed.partition("?>")[2].rpartition("<?")[0])
    picture = Picture(samples.smooth, metadata=Metadata(text=text))
    assert "texts are left out" not in codec.losses(picture, kind)
    assert codec.decode(codec.encode(picture, kind)).metadata.text == text


def test_texts_that_do_not_fit_a_jpeg_file_take_no_packet_with_them(samples: Any) -> None:
    """Such as the note on how a result was made: its own XMP was lost for it, and nothing said so."""
    packet = (XMP_KEY, PACKET.replace('"6"', '"1"').replace("<?xpacket end", " " * 64_900 + "<?xpacket end"))
    title, made = ("Title", "a"), ("nsr", "x" * 900)
    for text, kept in (((packet, made), (packet,)), ((packet, title, made), (packet, title))):
        picture = Picture(samples.smooth, metadata=Metadata(text=text))
        assert codec.decode(codec.encode(picture, "JPEG")).metadata.text == kept


def test_a_packet_that_no_jpeg_file_takes_takes_no_texts_with_it(samples: Any) -> None:
    """Such as the note on how a result was made, without which it is not known again."""
    texts = (("Title", "a"), ("nsr", "x" * 900))
    picture = Picture(samples.smooth, metadata=Metadata(text=((XMP_KEY, PACKET + " " * 70_000), *texts)))
    assert "texts are left out" in codec.losses(picture, "JPEG")
    assert codec.decode(codec.encode(picture, "JPEG")).metadata.text == texts


def test_pages_of_a_scan_keep_their_numbers_and_names(samples: Any) -> None:
    stored = io.BytesIO()
    with tifffile.TiffWriter(stored) as writer:
        for number in range(2):
            tags = [(297, 3, 2, (number, 2), True), (285, 2, 0, f"leaf {number}", True)]
            writer.write(samples.gray8, photometric="minisblack", metadata=None, extratags=tags)
    made = codec.encode_pages(list(codec.decode_all(stored.getvalue())), "TIFF")
    with tifffile.TiffFile(io.BytesIO(made)) as file:
        pages: list[Any] = list(file.pages)
        found = [(page.tags[297].value, page.tags[285].value) for page in pages]
    assert found == [((0, 2), "leaf 0"), ((1, 2), "leaf 1")]


def test_gif_keeps_a_comment_of_any_length_and_no_other_text(samples: Any) -> None:
    comment = ("Comment", "ü" * 300)
    picture = Picture(samples.gray8[..., np.newaxis], metadata=Metadata(text=(comment,), duration=0.1))
    assert codec.losses(picture, "GIF") == ()
    for data in (codec.encode(picture, "GIF"), codec.encode_pages([picture, picture], "GIF")):
        assert codec.decode(data).metadata.text == (comment,)
    described = picture.with_metadata(Metadata(text=(comment, ("Title", "a"))))
    assert codec.losses(described, "GIF") == ("texts are left out",)


def test_comments_are_native_where_the_format_has_them(samples: Any) -> None:
    picture = Picture(samples.smooth, metadata=Metadata(text=(("Comment", "hello ü"),)))
    for kind in ("JPEG", "GIF", "PNG"):
        data = codec.encode(picture, kind)
        assert codec.decode(data).metadata.text == (("Comment", "hello ü"),)
        with Image.open(io.BytesIO(data)) as image:
            if kind != "PNG":
                assert image.info["comment"] == "hello ü".encode()


@pytest.mark.parametrize("kind", ["JPEG", "GIF"])
def test_comments_in_latin_1_are_read(kind: str, samples: Any, pillow_file: Make) -> None:
    data = pillow_file(Image.fromarray(samples.gray8), kind, comment="Café à Zürich".encode("latin-1"))
    assert codec.decode(data).metadata.text == (("Comment", "Café à Zürich"),)


def test_pages_of_a_tiff_keep_their_own_metadata(samples: Any, exif_block: Any) -> None:
    first = Picture(samples.rgb8, metadata=Metadata(exif=exif_block(1), dpi=(72.0, 72.0)))
    plain = Picture(samples.gray16[:9, :, np.newaxis], metadata=Metadata(dpi=(96.0, 96.0)))
    third = replace(first, metadata=replace(first.metadata, dpi=(300.0, 300.0), text=TEXTS))
    data = codec.encode_pages([first, plain, third], "TIFF")
    found = list(codec.decode_all(data))
    assert [(p.height, p.bits, p.channels) for p in found] == [(30, 8, 3), (9, 16, 1), (30, 8, 3)]
    assert [p.metadata.dpi for p in found] == [(72, 72), (96, 96), (300, 300)]
    assert exif_of(found[2]).get_ifd(0x8825)[1] == "N"
    assert found[1].metadata.exif is None or 0x010F not in exif_of(found[1])
    assert found[2].metadata.text == TEXTS
    with tifffile.TiffFile(io.BytesIO(data)) as file:  # no page lost its place to the appended directories
        assert len(file.pages) == 3


def test_float_pictures_with_nan_are_refused_with_the_count(samples: Any, tiff_file: Make) -> None:
    array = samples.float32.copy()
    array[3, 4, 0] = np.nan
    array[5:7, 8, 1] = np.inf
    with pytest.raises(DecodeError, match="3 of 3690 samples are NaN or infinite"):
        codec.decode(tiff_file(array, photometric="rgb"))
