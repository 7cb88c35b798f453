"""A motion photo becomes a still picture, and that is said."""

from typing import Any

import pytest
from PIL import Image

from nsr_cli.imaging import codec
from nsr_cli.imaging.metadata import motionphoto
from nsr_cli.imaging.picture import XMP_KEY

VIDEO = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(range(256)) * 9
FLAGS = (
    '<rdf:Description GCamera:MotionPhoto="{0}" GCamera:MotionPhotoVersion="1" GCamera:MicroVideo = \'{0}\'/>'
)


@pytest.mark.parametrize("behind", [VIDEO, b"MotionPhoto_Data" + VIDEO])
def test_the_video_is_said_to_be_left_out_and_no_longer_claimed(
    behind: bytes, samples: Any, pillow_file: Any
) -> None:
    image = Image.fromarray(samples.smooth)
    picture = codec.decode(pillow_file(image, "JPEG", xmp=FLAGS.format(1).encode()) + behind)
    assert picture.notes == ("its video (it is a motion photo): left out",)
    assert picture.metadata.get_text(XMP_KEY) == FLAGS.format(0)


@pytest.mark.parametrize("behind", [b"", bytes(99), b"ftyp", b"end"])
def test_nothing_is_said_of_a_still_picture(behind: bytes, samples: Any, pillow_file: Any) -> None:
    assert codec.decode(pillow_file(Image.fromarray(samples.smooth), "JPEG") + behind).notes == ()


def test_elements_are_known() -> None:
    packet = (
        "<GCamera:MotionPhoto>1</GCamera:MotionPhoto><GCamera:MicroVideoOffset>1</GCamera:MicroVideoOffset>"
    )
    assert motionphoto.without_video(packet) == packet.replace("Photo>1", "Photo>0")
