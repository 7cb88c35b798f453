"""Regions in XMP, such as faces with names."""

import io
import time

import pytest
from PIL import Image

from nsr_cli.imaging import codec
from nsr_cli.imaging.metadata import regions
from nsr_cli.imaging.picture import XMP_KEY
from tests.imaging.files import enlarged

REGIONS = (
    '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions stDim:w="93" stDim:h="70" '
    'stDim:unit="pixel"/><mwg-rs:RegionList><rdf:Bag><rdf:li><rdf:Description mwg-rs:Name="Ann"><mwg-rs:Area '
    'stArea:x="0.2" stArea:y="0.1" stArea:w="0.1" stArea:h="0.1" stArea:unit="normalized"/></rdf:Description>'
    "</rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
)
FACES = (
    '<MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag><rdf:li MPReg:Rectangle="0.2, 0.1, 0.1, 0.1"/>'
    "</rdf:Bag></MPRI:Regions></MP:RegionInfo>"
)
TITLE = "<dc:title>Ann &amp; a &lt;mwg-rs:Regions&gt;</dc:title>"


def packet(*inside: str) -> str:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" tiff:ImageWidth="93">{"".join(inside)}</rdf:Description></rdf:RDF></x:xmpmeta>'
    )


def jpeg(text: str, turn: int) -> bytes:
    stored, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = turn
    Image.new("RGB", (93, 70), "gray").save(stored, "JPEG", xmp=text.encode(), exif=exif)
    return stored.getvalue()


def test_a_turned_picture_has_none_and_says_so() -> None:
    turned = codec.decode(jpeg(packet(REGIONS, TITLE, FACES), 6))
    assert turned.metadata.get_text(XMP_KEY) == packet(TITLE)
    assert turned.notes == ("its XMP regions, such as faces, do not fit the upright picture: left out",)
    upright = codec.decode(jpeg(packet(REGIONS, TITLE, FACES), 1))
    assert upright.metadata.get_text(XMP_KEY) == packet(REGIONS, TITLE, FACES)
    assert upright.notes == codec.decode(jpeg(packet(TITLE), 6)).notes == ()


def test_the_size_that_they_refer_to_is_that_of_the_result() -> None:
    picture = codec.decode(jpeg(packet(REGIONS, FACES), 1))
    large = enlarged(picture)
    expected = packet(REGIONS.replace('"93"', '"186"').replace('"70"', '"140"'), FACES)
    stored = codec.decode(codec.encode(large, "PNG"))
    assert stored.metadata.get_text(XMP_KEY) == expected.replace(
        'tiff:ImageWidth="93"', 'tiff:ImageWidth="186"'
    )


def test_sizes_in_elements_and_empty_regions() -> None:
    text = packet(
        "<mwg-rs:AppliedToDimensions><stDim:w>9</stDim:w><stDim:h>\n7</stDim:h></mwg-rs:AppliedToDimensions>"
    )
    assert regions.with_size(text, 18, 14) == text.replace(">9<", ">18<").replace("\n7", "\n14")
    assert regions.without(packet("<mwg-rs:Regions/>", TITLE)) == packet(TITLE)


@pytest.mark.parametrize(
    "text", ["<mwg-rs:Regions ", "<mwg-rs:Regions>", '<mwg-rs:Regions a="', "<MP:RegionInfo/>"]
)
def test_a_packet_full_of_beginnings_takes_no_square_of_its_length(text: str) -> None:
    start = time.process_time()
    regions.without(text * 100_000)
    assert time.process_time() - start < 5
