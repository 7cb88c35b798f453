"""A panorama's place in its sphere grows with the picture."""

import time

import numpy as np
import pytest

from nsr_cli.imaging import codec
from nsr_cli.imaging.metadata import panorama
from nsr_cli.imaging.picture import XMP_KEY, Metadata, Picture

# As a phone writes it, and as elements.
PHONE = (
    '<rdf:Description GPano:ProjectionType="equirectangular" GPano:FullPanoWidthPixels="1000" '
    'GPano:FullPanoHeightPixels="500" GPano:CroppedAreaImageWidthPixels="{0}" '
    'GPano:CroppedAreaImageHeightPixels="{1}" GPano:CroppedAreaLeftPixels="250" GPano:CroppedAreaTopPixels="101" '
    'GPano:PoseHeadingDegrees="350"/>'
)
ELEMENTS = (
    "<GPano:CroppedAreaImageWidthPixels>40</GPano:CroppedAreaImageWidthPixels>"
    "<GPano:CroppedAreaImageHeightPixels> 20 </GPano:CroppedAreaImageHeightPixels>"
    "<GPano:LargestValidInteriorRectTop>3</GPano:LargestValidInteriorRectTop>"
)


def test_it_is_that_of_the_result() -> None:
    picture = Picture(
        np.zeros((40, 120, 3), np.uint8), metadata=Metadata(text=((XMP_KEY, PHONE.format(40, 20)),))
    )
    found = PHONE.format(120, 40).replace('"1000"', '"3000"').replace('"500"', '"1000"')
    found = found.replace('"250"', '"750"').replace('"101"', '"202"')
    for kind in ("PNG", "JPEG", "WEBP", "TIFF"):
        once = codec.decode(codec.encode(picture, kind))
        again = codec.decode(codec.encode(once, kind))  # once more must not triple it again
        assert once.metadata.get_text(XMP_KEY) == again.metadata.get_text(XMP_KEY) == found


def test_elements_are_known_and_what_says_no_size_stays() -> None:
    larger = ELEMENTS.replace(">40<", ">80<").replace("> 20 <", "> 60 <").replace(">3<", ">9<")
    assert panorama.with_size(ELEMENTS, 80, 60) == larger
    assert panorama.with_size(ELEMENTS, 40, 20) == ELEMENTS
    for size in ("", "0", "99999999999", "-4"):
        odd = PHONE.format(size, 20)
        assert panorama.with_size(odd, 80, 60) == odd


@pytest.mark.parametrize("part", ["GPano:FullPanoWidthPixels", 'GPano:FullPanoWidthPixels="1', "GPano:", " "])
def test_long_packets_take_time_in_step_with_their_length(part: str) -> None:
    started = time.process_time()
    panorama.with_size(part * 200_000, 8, 8)
    assert time.process_time() - started < 2
