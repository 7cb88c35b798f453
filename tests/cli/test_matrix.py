"""Every format with every kind of pixels, through the real command, compared with an independent resize."""

from pathlib import Path

import numpy as np
import pytest

from tests.cli.bicubic import check_pixels
from tests.cli.kinds import WIDTH, Case, cases
from tests.cli.restored import FRAMES, Harvest, Result, color_of, films, harvest, pictures, read, warned
from tools.make_format_table import TARGET, document, same_dpi

CASES = cases()
LOSSLESS = {"PNG": "PNG", "BMP": "BMP", "TIFF": "TIFF"}  # the others become PNG


@pytest.fixture(scope="module")
def harvested(tmp_path_factory: pytest.TempPathFactory) -> Harvest:
    return harvest(tmp_path_factory.mktemp("matrix"))


def result_of(case: Case, found: Harvest) -> Result:
    return read(found.results[case.name])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_pixels_are_those_of_the_plain_resize_in_the_depth_and_colors_of_the_file(
    case: Case, harvested: Harvest
) -> None:
    check_pixels(case, result_of(case, harvested))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_metadata_goes_on_and_the_picture_is_upright(case: Case, harvested: Harvest) -> None:
    made = result_of(case, harvested)
    assert made.icc == case.icc
    assert same_dpi(case, made.dpi) if case.dpi else made.dpi is None
    assert made.orientation == 1
    if case.turned:
        assert made.pixels.shape[:2] == (28, 18)  # stored as 9 rows of 14


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_format_follows_the_input_where_it_is_lossless(case: Case, harvested: Harvest) -> None:
    remark = f"{case.name}: BMP cannot hold its transparency: it becomes PNG"
    moves = any(line.endswith(remark) for line in harvested.said.splitlines())
    assert moves == (case.name == "bmp-rgba.bmp")
    assert result_of(case, harvested).form == ("PNG" if moves else LOSSLESS.get(case.form, "PNG"))


def test_every_file_becomes_something(harvested: Harvest) -> None:
    assert harvested.code == 0
    assert not any(line.startswith("nsr: ") for line in harvested.said.splitlines())
    assert f"{len(CASES)} restored" in harvested.said


@pytest.mark.parametrize("name", films())
def test_of_a_film_come_the_first_picture_or_all_in_order(name: str, harvested: Harvest) -> None:
    first, every = (pictures(path) for path in harvested.several[name])
    assert len(every) == FRAMES and len(first) == (FRAMES if name == "pages.tif" else 1)
    for number, pixels in enumerate(every):
        width = 2 * (WIDTH + number * (name == "pages.tif"))
        assert np.array_equal(pixels, np.broadcast_to(color_of(number), (16, width, 3)))
    assert np.array_equal(first[0], every[0])
    assert warned(name, harvested.said) == (name != "pages.tif")


def test_the_table_in_the_documentation_is_what_happens(harvested: Harvest) -> None:
    assert TARGET.read_text(encoding="utf-8") == document(harvested), (
        f"run tools/{Path('make_format_table.py')}"
    )
