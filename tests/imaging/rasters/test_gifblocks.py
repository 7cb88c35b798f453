"""XMP and color profiles of GIF files go on."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageCms

from nsr_cli.imaging import codec
from nsr_cli.imaging.limits import MOST_METADATA
from nsr_cli.imaging.picture import XMP_KEY

PACKET = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description>dusk é</rdf:Description></rdf:RDF></x:xmpmeta>'
MAGIC = bytes([1, *range(255, -1, -1), 0])  # XMP specification, part 3, section 1.1.2


@pytest.fixture
def gif(samples: Any) -> Callable[[bytes], bytes]:
    """A GIF file of two frames with further blocks behind its palette."""
    stored = io.BytesIO()
    frames = [Image.fromarray(samples.smooth), Image.fromarray(255 - samples.smooth)]
    frames[0].save(stored, "GIF", save_all=True, append_images=frames[1:])
    data = stored.getvalue()
    start = 13 + (3 << (data[10] & 7) + 1)
    return lambda blocks: data[:start] + blocks + data[start:]


def packed(content: bytes) -> bytes:
    parts = [content[place : place + 255] for place in range(0, len(content), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def test_an_xmp_packet_is_kept(gif: Callable[[bytes], bytes]) -> None:
    picture = codec.decode(gif(b"!\xff\x0bXMP DataXMP" + PACKET.encode() + MAGIC))
    assert picture.metadata.get_text(XMP_KEY) == PACKET
    assert codec.losses(picture, "PNG") == ()
    wide = codec.decode(gif(b"!\xff\x0bXMP DataXMP" + PACKET.encode("latin-1") + MAGIC))
    assert codec.losses(wide, "PNG") == ("XMP that is not UTF-8 is left out",)


def test_a_color_profile_is_kept(gif: Callable[[bytes], bytes]) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for frame in codec.decode_all(gif(b"!\xff\x0bICCRGBG1012" + packed(profile))):
        assert frame.metadata.icc == profile


def test_other_blocks_and_overlong_ones_are_passed_over(gif: Callable[[bytes], bytes]) -> None:
    long = b"!\xff\x0bICCRGBG1012" + packed(bytes(MOST_METADATA + 1))
    for blocks in (b"", b"!\xff\x0bNSRTEST 1.0\x02ab\0", long, b"!\xff\x0bXMP DataXMP\0"):
        picture = codec.decode(gif(blocks))
        assert picture.metadata.icc is None and not picture.metadata.text
        assert picture.notes == (("its color profile is too long: left out",) if blocks == long else ())
