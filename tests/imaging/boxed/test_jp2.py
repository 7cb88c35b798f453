"""What JPEG 2000 files say beside their pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nsr_cli.imaging import codec
from nsr_cli.imaging.boxed import jp2 as boxed
from nsr_cli.imaging.picture import XMP_KEY, Metadata
from tests import jp2

GRAY = np.random.default_rng(5).integers(0, 256, (20, 30)).astype(np.uint8)
RGB = np.random.default_rng(6).integers(0, 256, (20, 30, 3)).astype(np.uint8)
PACKET = "<x:xmpmeta xmlns:x='adobe:ns:meta/'>harbor</x:xmpmeta>"


def metadata(*behind: bytes) -> Metadata:
    return codec.decode(jp2.file(jp2.stream(RGB), jp2.color(16), behind=b"".join(behind))).metadata


def test_a_bare_codestream_has_nothing_but_its_pixels() -> None:
    found = codec.decode(jp2.stream(RGB))
    assert np.array_equal(found.pixels, RGB) and found.metadata == Metadata() and found.source == "JP2"


def test_the_first_color_space_counts() -> None:
    code = jp2.stream(GRAY)
    assert boxed.header(jp2.file(code, jp2.color(17), jp2.color(16))).color == 17
    assert boxed.header(jp2.file(code, jp2.box(b"colr", b"\4\0\0odd"), jp2.profile(b"icc"))).icc == b"icc"


@pytest.mark.parametrize("name", ["resc", "resd"])
def test_a_resolution_is_across_and_down(name: str) -> None:
    dots = jp2.resolution(300, 200).replace(b"resc", name.encode())
    found = boxed.header(jp2.file(jp2.stream(GRAY), jp2.color(17), dots)).dpi
    assert found == pytest.approx((300, 200), abs=0.01)
    both = jp2.box(b"res ", dots[8:].replace(name.encode(), b"resd"), jp2.resolution(72, 71)[8:])
    assert boxed.header(jp2.file(jp2.stream(GRAY), jp2.color(17), both)).dpi == pytest.approx(
        (72, 71), abs=0.01
    )


def test_blocks_of_metadata_are_kept(exif_block: Callable[[int], bytes]) -> None:
    data = b"\x1c\2\x78\0\5Hafen"
    found = metadata(
        jp2.uuid(jp2.EXIF, exif_block(1)), jp2.uuid(jp2.XMP, PACKET.encode()), jp2.uuid(jp2.IPTC, data)
    )
    assert found.exif == exif_block(1) and found.iptc == data and found.text == ((XMP_KEY, PACKET),)
    assert found.left_out == ()


def test_the_orientation_of_its_exif_block_is_applied(exif_block: Callable[[int], bytes]) -> None:
    data = jp2.file(jp2.stream(RGB), jp2.color(16), behind=jp2.uuid(jp2.EXIF, exif_block(6)))
    assert np.array_equal(codec.decode(data).pixels, np.rot90(RGB, -1))
    assert boxed.exif_block(data) == exif_block(6)


def test_xmp_in_an_ordinary_box_of_xml_is_kept() -> None:
    """As Aware's encoder writes it, which archives use."""
    assert metadata(jp2.box(b"xml ", PACKET.encode())).text == ((XMP_KEY, PACKET),)


def test_what_nothing_keeps_is_named() -> None:
    geo = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03")
    others: list[bytes] = [
        jp2.uuid(geo, b"II*\0"),
        jp2.box(b"xml ", b"<gml/>"),
        jp2.box(b"asoc"),
        jp2.box(b"free"),
    ]
    found = metadata(
        *others, jp2.uuid(jp2.XMP, b"\xff"), jp2.uuid(bytes(16), b"own"), jp2.uuid(jp2.IPTC, b"no")
    )
    parts = "(GeoJP2, xml, asoc, XMP packet, uuid and more)"
    assert found.left_out == (f"the content of its JPEG 2000 parts {parts}",)
    assert found.text == () and found.iptc is None


def test_a_block_beyond_all_reason_is_left_out() -> None:
    data: Any = jp2.file(jp2.stream(RGB), jp2.color(16), behind=jp2.uuid(jp2.EXIF, bytes(9 << 20)))
    found = codec.decode(data)
    assert found.metadata.exif is None and found.notes == ("its EXIF block is too long: left out",)
    assert boxed.exif_block(data) == b""
