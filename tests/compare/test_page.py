"""The page of `nsr compare`: whole in itself, and alive in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nsr_cli.compare.page import render
from nsr_cli.compare.results import Region, Result
from nsr_cli.compare.sheet import Caption
from tests.browser import Browser, find_chromium

RED, GREEN, BLUE = (200, 30, 30), (20, 160, 60), (40, 60, 210)


def flat(label: str, color: tuple[int, int, int]) -> Result:
    return Result(label, np.full((300, 400, 3), color, np.uint8))


def page(*results: Result) -> bytes:
    return render(results, Region(100, 50, 200, 160), (0, 1), Caption("a.png · upscale x2", "the difference"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    with Browser(program) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_bytes(page(flat("red", RED), flat("green <b>", GREEN), flat("blue", BLUE)))
    return path


def test_everything_is_in_the_page_and_nothing_may_be_loaded() -> None:
    text = page(flat("one", RED), flat("two", BLUE)).decode()
    assert "default-src 'none'" in text
    sources = re.findall(r'(?:src|href|action|data)="([^"]*)"', text)
    assert len(sources) == 3 and all(one.startswith("data:image/png;base64,") for one in sources)
    assert not re.search(r"https?:|@import|url\(|{{", text)


def test_labels_and_titles_cannot_become_markup() -> None:
    evil = '"><script>alert(1)</script>{{LEFT}}&\x1b'
    text = render(
        [flat(evil, RED), flat("b", BLUE)], Region(0, 0, 9, 9), (0, 1), Caption(evil, evil)
    ).decode()
    assert text.count("<script>") == 1 and "alert(1)&lt;/script&gt;" in text
    assert "\x1b" not in text and "{{LEFT}}" in text


def stage(browser: Browser) -> tuple[NDArray[np.uint8], dict[str, float]]:
    """What the browser shows, and where the two pictures stand."""
    box = browser.run(
        "(() => { const b = stage.getBoundingClientRect(); return {x: b.x, y: b.y, w: b.width, h: b.height}; })()"
    )
    return browser.screenshot(), box


def colors_at(browser: Browser, *parts: float) -> list[tuple[int, ...]]:
    """Colors of the stage in its lower quarter, at parts of its width."""
    shot, box = stage(browser)
    row = shot[int(box["y"] + 0.8 * box["h"])]
    return [tuple(int(value) for value in row[int(box["x"] + part * box["w"])]) for part in parts]


def test_it_loads_without_a_network_and_shows_both_halves(browser: Browser, file: Path) -> None:
    browser.open(file)
    assert browser.requests == [file.as_uri()]
    assert colors_at(browser, 0.05, 0.45, 0.55, 0.95) == [RED, RED, GREEN, GREEN]
    assert browser.run("document.getElementById('tag-right').textContent") == "green <b>"


def test_the_fragment_sets_the_pictures_and_the_slider(browser: Browser, file: Path) -> None:
    browser.open(file, "#left=2&right=0&at=20&zoom=2")
    assert colors_at(browser, 0.1, 0.18, 0.22, 0.9) == [BLUE, BLUE, RED, RED]
    assert stage(browser)[1]["w"] == 400
    browser.open(file, "#left=7&right=x&at=y&zoom=1000")
    assert colors_at(browser, 0.1, 0.9) == [RED, GREEN], "nonsense is passed over"


def test_the_slider_moves_by_keyboard_and_mouse(browser: Browser, file: Path) -> None:
    browser.open(file)
    browser.run("document.getElementById('at').focus()")
    for _ in range(10):
        browser.press("ArrowRight")
    assert browser.run("document.getElementById('at').value") == "60"
    assert colors_at(browser, 0.58, 0.62) == [RED, GREEN]
    assert "at=60" in browser.run("new Promise((done) => setTimeout(() => done(location.hash), 400))")
    browser.press("Home")
    assert colors_at(browser, 0.02, 0.98) == [GREEN, GREEN]
    _, box = stage(browser)
    y = box["y"] + box["h"] / 3
    browser.drag((box["x"] + 5, y), (box["x"] + 0.75 * box["w"], y))
    assert colors_at(browser, 0.73, 0.77) == [RED, GREEN]


def test_controls_are_reached_by_tab_and_have_names(browser: Browser, file: Path) -> None:
    browser.open(file)
    reached = []
    for _ in range(5):
        browser.press("Tab")
        reached.append(browser.run("document.activeElement.id"))
    assert reached == ["left", "right", "swap", "zoom", "at"]
    assert stage(browser)[1]["y"] > 0, "the picture stays in view"
    assert browser.run("at.getAttribute('aria-label')") and "50% red" in browser.run("at.ariaValueText")
    browser.run("document.getElementById('swap').click()")
    assert colors_at(browser, 0.1, 0.9) == [GREEN, RED]


def test_it_fits_a_narrow_window(browser: Browser, file: Path) -> None:
    browser.send(
        "Emulation.setDeviceMetricsOverride", width=180, height=600, deviceScaleFactor=1, mobile=True
    )
    try:
        browser.open(file, "#zoom=1")
        assert browser.run("document.documentElement.scrollWidth <= innerWidth && stage.clientWidth < 180")
        assert colors_at(browser, 0.1, 0.9) == [RED, GREEN]
    finally:
        browser.send("Emulation.clearDeviceMetricsOverride")


@pytest.mark.parametrize("scheme, light", [("light", True), ("dark", False)])
def test_it_is_light_or_dark_as_the_reader_wants(
    scheme: str, light: bool, browser: Browser, file: Path
) -> None:
    browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.open(file)
    corner = browser.screenshot()[2, 2]
    assert (corner > 200).all() == light and (corner < 60).all() != light


def test_all_results_are_there_without_scripts(browser: Browser, file: Path) -> None:
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.load(file.as_uri())
        found = browser.send("DOM.getDocument", depth=-1)
        body = browser.send("DOM.getOuterHTML", nodeId=found["root"]["nodeId"])["outerHTML"]
        assert body.count("<figure>") == 4 and re.search(r'<section id="slider" hidden', body)
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)
