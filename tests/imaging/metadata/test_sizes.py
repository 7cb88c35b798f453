"""The sizes that EXIF and XMP state are those of the picture that they are written with."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from nsr_cli.imaging import codec
from nsr_cli.imaging.metadata import exif, sizes, xmp
from nsr_cli.imaging.picture import XMP_KEY, Metadata, Picture
from tests.imaging.files import enlarged

Make = Callable[..., bytes]

WIDTH, HEIGHT = 48, 32
PACKET = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 <rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" dc:title='a > "b"'
   tiff:ImageWidth="48" tiff:ImageLength = '32' tiff:ImageWidthOf="48" my:tiff:ImageWidth="48">
  <dc:description>tiff:ImageWidth="48" tiff:ImageLength="32"</dc:description>
  <xmpMM:Pantry><rdf:Bag><rdf:li rdf:parseType="Resource" tiff:ImageWidth="48"><tiff:ImageWidth>48</tiff:ImageWidth>
   <rdf:Description tiff:ImageLength="32"/></rdf:li></rdf:Bag></xmpMM:Pantry>
 </rdf:Description>
 <rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/">
  <exif:PixelXDimension>48</exif:PixelXDimension><exif:PixelYDimension> 32
  </exif:PixelYDimension><exif:PixelXDimension/>
 </rdf:Description></rdf:RDF></x:xmpmeta>"""
CHANGED = (
    ('\n   tiff:ImageWidth="48" ', '\n   tiff:ImageWidth="{0}" '),
    ("tiff:ImageLength = '32'", "tiff:ImageLength = '{1}'"),
    ("<exif:PixelXDimension>48<", "<exif:PixelXDimension>{0}<"),
    ("<exif:PixelYDimension> 32\n", "<exif:PixelYDimension> {1}\n"),
)


def of_size(width: int, height: int) -> str:
    """The packet as it should be of a picture of this size."""
    packet = PACKET
    for old, new in CHANGED:
        assert packet.count(old) == 1
        packet = packet.replace(old, new.format(width, height))
    return packet


def block_of(orientation: int) -> bytes:
    block = Image.Exif()
    block.update({0x0112: orientation, 0x0100: WIDTH, 0x0101: HEIGHT})
    block.get_ifd(0x8769).update({0xA002: WIDTH, 0xA003: HEIGHT})
    return block.tobytes().removeprefix(exif.PREFIX)


def stated(block: bytes) -> list[int]:
    """Width and height in the first and in the EXIF directory, by Pillow."""
    found = Image.Exif()
    found.load(block)
    inner = found.get_ifd(0x8769)
    return [found[0x0100], found[0x0101], inner[0xA002], inner[0xA003]]


def test_only_the_sizes_of_the_picture_itself_change_in_a_packet() -> None:
    assert xmp.with_size(PACKET, 12_000, 7) == of_size(12_000, 7)
    assert xmp.with_size(PACKET, WIDTH, HEIGHT) == PACKET


@pytest.mark.parametrize("junk", ["", "tiff:ImageWidth", '<rdf:RDF><a tiff:ImageWidth="1', "</a></rdf:RDF>"])
def test_a_packet_in_no_usual_form_stays_as_it_is(junk: str) -> None:
    assert xmp.with_size(junk, 5, 6) == junk


def test_long_packets_of_tags_that_never_end_take_no_time() -> None:
    # What would take the square of this length takes hours; the command's own limit on metadata is 8 MiB.
    for part in ("<", '<a "', "<a '>", "<tiff:ImageWidth ", "</a", '<a tiff:ImageWidth="'):
        junk = "<rdf:RDF>" + part * 100_000 + "tiff:ImageWidth"
        assert xmp.with_size(junk, 5, 6) == junk


def test_both_directories_of_an_exif_block_state_the_size() -> None:
    assert stated(exif.with_size(block_of(1), 96, 64)) == [96, 64, 96, 64]


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("target", ["PNG", "JPEG", "WEBP"])
def test_results_state_one_size_everywhere(target: str, orientation: int, pillow_file: Make) -> None:
    image = Image.new("RGB", (WIDTH, HEIGHT))
    packet = PACKET.encode()
    data = pillow_file(image, "JPEG", exif=exif.PREFIX + block_of(orientation), xmp=packet)
    picture = codec.decode(data)
    larger = enlarged(picture)
    size = (64, 96) if orientation == 6 else (96, 64)
    assert (larger.width, larger.height) == size
    again = codec.decode(codec.encode(larger, target)).metadata
    assert stated(again.exif or b"") == [*size, *size]
    assert again.get_text(XMP_KEY) == of_size(*size)


def test_the_packet_of_a_tiff_and_of_frames_states_the_size_too(samples: Any) -> None:
    picture = Picture(samples.smooth, metadata=Metadata(exif=block_of(1), text=((XMP_KEY, PACKET),)))
    expected = of_size(picture.width, picture.height)
    for data in (
        codec.encode(picture, "TIFF"),
        codec.encode_pages([picture, picture], "WEBP"),
        codec.encode_pages([picture, picture], "PNG"),
    ):
        assert codec.decode(data).metadata.get_text(XMP_KEY) == expected
    with Image.open(io.BytesIO(codec.encode(picture, "TIFF"))) as image:
        assert (image.getexif()[0x0100], image.getexif()[0x0101]) == image.size


def test_texts_that_are_no_packet_and_pictures_without_one_keep_everything(samples: Any) -> None:
    text = (("Comment", PACKET),)
    assert sizes.stated(Picture(samples.smooth, metadata=Metadata(text=text))) == Metadata(text=text)
