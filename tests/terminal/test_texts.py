"""Columns, sizes and times as they are printed."""

import pytest

from nsr_cli.terminal.texts import aligned, human_bytes, human_duration


def test_columns_have_the_width_of_their_longest_cell() -> None:
    assert list(aligned([("a", "10"), ("bcd", "7")], right=(1,))) == ["a    10", "bcd   7"]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_940, "9.9 kB"),
        (9_960, "10 kB"),
        (12_345, "12 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (2_500_000, "2.5 MB"),
        (3 * 10**15, "3000 TB"),
    ],
)
def test_sizes_have_two_digits_at_least(count: int, text: str) -> None:
    assert human_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.46, "2.5 s"), (59.7, "1 min 0 s"), (200, "3 min 20 s"), (14_700, "4 h 5 min")]
)
def test_times_are_told_in_their_two_largest_units(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text
