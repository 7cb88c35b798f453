"""Entropy, winners and shares of known gammas."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsr_cli.engine.trace import Selection
from nsr_cli.explain.choices import Choice


def choice(gamma: list[list[list[float]]]) -> Choice:
    return Choice(3, Selection(2, 1, np.array(gamma, np.float32)))


@pytest.mark.parametrize(
    "weights, entropy, bits",
    [
        ([1, 0, 0, 0], 0, 0),
        ([0.25, 0.25, 0.25, 0.25], 1, 2),
        ([0.5, 0.5, 0, 0], 0.5, 1),
        ([0.6, 0.6, 0, 0], 0.5, 1),  # sigmoid weights need not sum to 1
        ([0.5, 0.25, 0.125, 0.125], 0.875, 1.75),
    ],
)
def test_entropy_of_known_weights(weights: list[float], entropy: float, bits: float) -> None:
    one = choice([[weights]])
    assert one.entropy[0, 0] == pytest.approx(entropy, abs=1e-6)
    assert one.bits[0, 0] == pytest.approx(bits, abs=1e-6)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=6).filter(lambda w: sum(w) > 1e-3))
def test_entropy_lies_in_its_range_and_does_not_depend_on_the_order(weights: list[float]) -> None:
    one, turned = choice([[weights]]), choice([[weights[::-1]]])
    assert 0 <= one.entropy[0, 0] <= 1
    assert one.entropy[0, 0] == pytest.approx(turned.entropy[0, 0], abs=1e-6)


def test_a_single_group_has_no_entropy() -> None:
    assert choice([[[0.3]], [[0.9]]]).entropy.tolist() == [[0.0], [0.0]]


GAMMA = [  # four windows, three cardinal groups, two groups
    [[0.9, 0.1], [0.6, 0.4], [0.51, 0.49]],
    [[0.8, 0.2], [0.4, 0.6], [0.52, 0.48]],
    [[0.9, 0.1], [0.7, 0.3], [0.53, 0.47]],
    [[0.7, 0.3], [0.3, 0.7], [0.49, 0.51]],
]


def test_winners_shares_and_the_cardinal_group_that_tells_windows_apart() -> None:
    one = choice(GAMMA)
    assert one.dominant.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 1]]
    assert one.shares(0).tolist() == [1, 0] and one.shares(1).tolist() == [0.5, 0.5]
    assert one.most_varied == 1


def test_of_equal_shares_the_one_whose_weights_vary_most() -> None:
    assert choice([[[0.6, 0.4], [0.9, 0.1]], [[0.7, 0.3], [0.6, 0.4]]]).most_varied == 1


def test_json_has_every_window_and_counts_from_one() -> None:
    record = json.loads(json.dumps(choice(GAMMA).as_json(), allow_nan=False))
    assert (record["layer"], record["block"], record["convolution"], record["most_varied"]) == (3, 2, 1, 2)
    assert record["windows"]["dominant"] == [[1, 1, 1], [1, 2, 1], [1, 1, 1], [1, 2, 2]]
    assert record["windows"]["mean_gamma"][0] == pytest.approx([0.67, 0.33])
    assert len(record["windows"]["entropy"]) == 4
    assert record["mean_gamma"] == pytest.approx(np.mean(GAMMA, axis=(0, 1)).tolist(), abs=1e-5)
    second = record["cardinal_groups"][1]
    assert second["cardinal"] == 2 and second["shares"] == [0.5, 0.5]
    assert second["mean_gamma"] == pytest.approx([0.5, 0.5])
    assert record["entropy"] == pytest.approx(record["entropy_bits"], abs=1e-5), "log2 of two groups is 1"
