"""The sheet of `nsr compare`: true pixels, whole factors, a mark where the region lies."""

import numpy as np

from nsr_cli.compare.results import Region, Result
from nsr_cli.compare.sheet import Caption, draw, overview
from nsr_cli.imaging.drawing.sheet import ACCENT

CAPTION = Caption("photo.png", "somewhere")


def find(sheet: np.ndarray, part: np.ndarray) -> bool:
    """Whether `part` stands in the sheet, pixel for pixel."""
    height, width = part.shape[:2]
    for top in range(sheet.shape[0] - height + 1):
        for left in np.flatnonzero((sheet[top] == part[0, 0]).all(axis=1)):
            if np.array_equal(sheet[top : top + height, left : left + width], part):
                return True
    return False


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (90, 120, 3), dtype=np.uint8)


def test_each_region_stands_there_enlarged_by_a_whole_factor() -> None:
    results, region = [Result(name, noise(i)) for i, name in enumerate("abc")], Region(30, 20, 64, 48)
    sheet = draw(results, region, CAPTION)
    for one in results:
        part = region.cut(one.pixels)
        assert find(sheet, np.repeat(np.repeat(part, 6, axis=0), 6, axis=1))


def test_regions_larger_than_a_tile_keep_their_pixels() -> None:
    large = np.random.default_rng(0).integers(0, 256, (900, 800, 3), dtype=np.uint8)
    region = Region(100, 100, 700, 700)
    assert find(draw([Result("a", large)], region, CAPTION), region.cut(large))


def test_seven_results_with_long_names_make_a_block() -> None:
    results = [Result(f"a model with quite a long name, number {i}" * 3, noise(i)) for i in range(7)]
    height, width = draw(results, Region(0, 0, 64, 64), CAPTION).shape[:2]
    assert 1 < width / height < 3


def test_the_overview_marks_the_region() -> None:
    whole = np.zeros((300, 600, 3), np.uint8)
    small = overview(whole, Region(300, 150, 150, 75), 200)
    assert small.shape == (100, 200, 3)
    rows, cols = np.nonzero((small == ACCENT).all(axis=2))
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (49, 75, 99, 150)
    assert (small[53:72, 103:147] == 0).all(), "the region itself stays visible"
