"""The bench measures what it says; how fast this machine is, is not tested."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from nsr_cli.bench import authors
from nsr_cli.bench.authors import authors_scheme, seconds_of_authors
from nsr_cli.bench.figures import Figure, Growth, Place
from nsr_cli.bench.layers import sparse_layer
from nsr_cli.bench.networks import folded, growth, run_plain, whole_network
from nsr_cli.errors import NsrError


def test_works_are_timed_in_turn_and_the_median_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, order = 0.0, list[str]()
    seconds = {"slow": iter([99, 5, 2, 3]), "fast": iter([99, 1, 1, 1])}  # those of the warm-up do not count

    def work(name: str) -> None:
        nonlocal clock
        order.append(name)
        clock += next(seconds[name])

    monkeypatch.setattr("nsr_cli.bench.figures.time.perf_counter", lambda: clock)
    place = Place(torch.device("cpu"), torch.float32, 3)
    medians = place.time_in_turn({name: partial(work, name) for name in seconds})
    assert order == ["slow", "fast"] * 4
    assert medians == {"slow": 3, "fast": 1}


def test_ratios_are_of_the_same_amount_of_work() -> None:
    place = Place(torch.device("cpu"), torch.float32, 1)
    [layer] = sparse_layer(
        replace(place, repeats=9), batch=2, side=16
    )  # one time of so little work says nothing
    assert layer.value > 0.3 and layer.unit == "×"
    rows = whole_network(place, 48, 60, peak=50.0)
    figures = {figure.name.split(",")[0]: figure.value for figure in rows}
    assert figures["sparse over plain network"] == pytest.approx(
        figures["sparse-plus"] / figures["plain edsr-s"]
    )
    work = 2 * 1.213e6 * 48 * 60 / 1e9  # multiplications and additions, in 1e9
    assert figures["share of the convolution peak"] == pytest.approx(
        work / figures["sparse-plus"] / 50, rel=0.01
    )


def test_the_plain_competitor_computes_what_the_network_does() -> None:
    plain = folded("edsr-s")
    x = torch.rand(1, 3, 20, 30)
    torch.testing.assert_close(run_plain(plain, x), plain(x), atol=1e-5, rtol=1e-5)


def test_targets_say_whether_they_are_met() -> None:
    assert Figure.at_most(1.05, "a", 1.05, "×") == Figure("a", 1.05, "×", "≤ 1.05", met=True)
    assert not Figure.at_most(1.05, "a", 1.06, "×").met
    assert Figure.at_least(7, "a", 7.1, "×").met and not Figure.at_least(7, "a", 6.9, "×").met


def test_growth_is_the_distance_from_the_median_of_seconds_per_megapixel() -> None:
    rows = Growth((0.25, 1.0, 4.0), (0.5, 2.2, 10.0)).figures()
    assert [row.value for row in rows[:3]] == [2.0, 2.2, 2.5]
    assert rows[3].value == pytest.approx(100 * 0.3 / 2.2) and rows[3].met
    measured = growth(Place(torch.device("cpu"), torch.float32, 1), (0.002, 0.004))
    assert measured.megapixels == (0.002, 0.004) and min(measured.seconds) > 0


def small_cpu(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype = torch.float32) -> Place:
    monkeypatch.setattr(authors, "SIZE", (60, 90))
    return Place(torch.device("cpu"), dtype, 1)


def test_the_authors_scheme_is_all_patches_in_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = list[int]()

    def network(patches: torch.Tensor, _: torch.Tensor | None) -> torch.Tensor:
        batches.append(len(patches))
        assert patches.dtype == torch.float32
        return torch.zeros(len(patches), 3, 4 * patches.shape[2], 4 * patches.shape[3])

    stub = folded("tiny")
    monkeypatch.setattr(stub, "forward", network)
    monkeypatch.setattr(authors, "folded", lambda _: stub)
    assert seconds_of_authors(small_cpu(monkeypatch)) > 0
    assert batches == [2 * 3] * 2  # the warm-up and the one that is timed: rows × columns at a stride of 32


@pytest.mark.parametrize(("dtype", "target"), [(torch.float32, "≥ 7"), (torch.bfloat16, "≥ 12")])
def test_it_is_compared_with_the_grid_in_any_number_type(
    dtype: torch.dtype, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authors, "_in_own_process", lambda _: 1e6)
    theirs, times = authors_scheme(small_cpu(monkeypatch, dtype))
    assert theirs.value == 1e6 and times.met and times.target == target


def test_a_process_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho Traceback >&2\necho out of memory >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(NsrError, match=r"^the authors' scheme cannot be measured: out of memory; ") as caught:
        authors_scheme(small_cpu(monkeypatch))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_process_of_the_authors_scheme_says_its_seconds() -> None:
    theirs, times = authors_scheme(Place(torch.device("cpu"), torch.float32, 1))
    assert theirs.value > 0 and times.value > 1  # they compute every pixel more than twice
