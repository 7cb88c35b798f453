"""The bench measures what it says; how fast this machine is, is not tested."""

import time

import pytest
import torch

from nsr_cli.bench import Place, sparse_layer, whole_network


def test_works_are_timed_in_turn_and_the_median_is_kept() -> None:
    order: list[str] = []
    delays = iter([0, 0.03, 0.0, 0.01])

    def slow() -> None:
        order.append("slow")
        time.sleep(next(delays))

    place = Place(torch.device("cpu"), torch.float32, 3)
    medians = place.time_in_turn({"slow": slow, "fast": lambda: order.append("fast")})
    assert order == ["slow", "fast"] * 4
    assert 0.008 < medians["slow"] < 0.03 and medians["fast"] < 0.005


def test_ratios_are_of_the_same_amount_of_work() -> None:
    place = Place(torch.device("cpu"), torch.float32, 1)
    [layer] = sparse_layer(place, batch=2, side=16)
    assert layer.value > 0.3 and layer.unit == "×"
    figures = {figure.name.split(",")[0]: figure.value for figure in whole_network(place, 48, 60, peak=50.0)}
    assert figures["sparse over plain network"] == pytest.approx(
        figures["sparse-plus"] / figures["plain edsr-s"]
    )
    work = 2 * 1.213e6 * 48 * 60 / 1e9  # multiplications and additions, in 1e9
    assert figures["share of the convolution peak"] == pytest.approx(
        work / figures["sparse-plus"] / 50, rel=0.01
    )
