"""Which format a file of several pages gets."""

from dataclasses import replace

import numpy as np

from nsr_cli.batch.packing import own_format
from nsr_cli.imaging.picture import Picture


def test_every_page_has_to_fit_the_format_of_the_file() -> None:
    opaque = Picture(np.zeros((4, 5, 3), dtype=np.uint8), source="BMP")
    clear = replace(opaque, alpha=np.zeros((4, 5), dtype=np.uint8))
    assert own_format([opaque, opaque]) == "BMP"
    assert own_format([opaque, clear]) == "PNG"
