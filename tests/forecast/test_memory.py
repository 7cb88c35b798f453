"""How much memory a picture takes, which way it goes within a limit, and what is said when it cannot fit."""

import re
from dataclasses import replace

import pytest

from nsr_cli.errors import MemoryExhausted
from nsr_cli.forecast import memory
from nsr_cli.forecast.memory import Ends, Sizes
from nsr_cli.planning.settings import Settings

SIZES = Sizes((1000, 1000), (2000, 2000), 3, 1, 2_000_000)
TWICE = Settings("upscale", scale=2.0)
ROWS = Ends("PNG", read=False, written=True)


def test_memory_that_is_needed_is_counted() -> None:
    assert SIZES.stored == 3_000_000 and SIZES.result == 12_000_000
    assert memory.in_one_piece(SIZES) == 15_000_000 + 8 * 15_000_000
    for limit in (100_000_000, 130_000_000):
        found = memory.route(SIZES, replace(TWICE, max_memory=limit), ROWS)
        assert found.bands and found.room < limit - SIZES.stored and found.peak == limit
    assert not memory.route(SIZES, replace(TWICE, max_memory=10**9), ROWS).bands


@pytest.mark.parametrize("kind", ["AVIF", "JP2", "HEIC"])
def test_formats_that_take_more_to_decode_are_counted_with_more(kind: str) -> None:
    usual = replace(SIZES, file=25_000_000)
    more = replace(usual, copies=memory.copies_of(kind))
    assert more.copies > memory.copies_of("PNG") == usual.copies
    tight = replace(TWICE, max_memory=90_000_000)
    assert memory.route(usual, tight, ROWS).peak == 90_000_000
    with pytest.raises(MemoryExhausted, match=r"at least 9[36] MB"):
        memory.route(more, tight, ROWS)


@pytest.mark.parametrize(
    ("form", "limit", "advice"),
    [
        ("JPEG", 210_000_000, "use TIFF or PNG, which are written in bands"),
        ("JPEG", 20_000_000, "cut it into parts"),
        ("PNG", 150_000_000, "convert it to TIFF, which is also read in bands"),
        ("PNG", 20_000_000, "cut it into parts"),
    ],
)
def test_another_format_is_advised_only_where_it_would_fit(form: str, limit: int, advice: str) -> None:
    sizes, settings = Sizes((4000, 4000), (8000, 8000), 3, 1, 2_000_000), replace(TWICE, max_memory=limit)
    rows = form == "PNG"
    with pytest.raises(MemoryExhausted, match=advice):
        memory.route(sizes, settings, Ends(form, read=False, written=rows))
    if "parts" not in advice:
        assert memory.route(sizes, settings, Ends("TIFF", read=rows, written=True)).bands


def test_a_single_picture_goes_as_it_always_did() -> None:
    tight = replace(TWICE, max_memory=100_000_000)
    assert memory.route_pages([SIZES], tight, ROWS) == memory.route(SIZES, tight, ROWS)
    with pytest.raises(MemoryExhausted):
        memory.route_pages([SIZES] * 20, tight, ROWS)


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (10, r"at least \d+ MB of memory, but --max-memory allows 10 bytes:"),
        (1, r"allows 1 byte:"),
        (2_000, r"at least \d+ MB of memory, but --max-memory allows 2 kB:"),
        (2_345_678, r"at least \d+ MB of memory, but --max-memory allows 2345678 bytes:"),
        (16_000_000, r"at least \d+ MB of memory, but --max-memory allows 16 MB:"),
        (20_000_000, r"^1000x1000 .* at least \d+ MB of memory, but --max-memory allows 20 MB:"),
        (3 << 20, r"at least \d+ MiB of memory, but --max-memory allows 3 MiB:"),
        (1 << 10, r"at least \d+ MiB of memory, but --max-memory allows 1 KiB:"),
    ],
)
def test_the_limit_is_shown_as_it_was_given(limit: int, told: str) -> None:
    with pytest.raises(MemoryExhausted, match=told):
        memory.route(SIZES, replace(TWICE, max_memory=limit), ROWS)


def test_free_memory_is_told_as_less_than_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both in MiB, the one rounded down and the other up."""
    monkeypatch.setattr(memory, "free_memory", lambda: 3_500_000)
    with pytest.raises(MemoryExhausted) as caught:
        memory.route(SIZES, TWICE, ROWS)
    least, free = map(int, re.findall(r"(\d+) MiB", str(caught.value)))
    assert free == int(memory._UTMOST * 3_500_000) >> 20 < least
