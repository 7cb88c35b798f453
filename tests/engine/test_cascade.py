"""Networks in a row: what they make together, and the number types that they needed for it."""

import numpy as np
import pytest

from nsr_cli.engine.cascade import Cascade
from nsr_cli.engine.runner import Limits, Runner
from nsr_cli.engine.stages import Stage, Weights
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.resizing.resize import resize
from tests.tiny import tiny_network


def stage(limits: Limits | None = None) -> Stage:
    network = tiny_network()
    return Stage(Weights("tiny", "ab" * 32), network.config, Runner(network, "cpu", "fp32", limits))


def test_what_exceeds_the_factor_is_resized() -> None:
    array = np.random.default_rng(1).random((20, 31, 3), dtype=np.float32)
    twice, exact = (Cascade((stage(),), factor) for factor in (2.0, 1.5))
    whole, resized = (one.run(array, None, None, tta=False, by_channel=False) for one in (twice, exact))
    assert whole.shape == (40, 62, 3) and resized.shape == (*exact.size(20, 31), 3) == (30, 46, 3)
    assert np.array_equal(resized, resize(whole, 30, 46))


def test_the_precision_is_that_of_all_networks_since_it_was_forgotten() -> None:
    cascade = Cascade((stage(), stage()), 4.0)
    assert cascade.precision == "fp32", "the one to begin with"
    cascade.stages[0].runner.used.add("bf16")
    cascade.stages[1].runner.used.update({"fp32", "fp16"})
    assert cascade.precision == "bf16+fp16+fp32"
    cascade.forget_precision()
    assert cascade.precision == "fp32" and not cascade.stages[1].runner.used


@pytest.mark.parametrize(("side", "alone"), [(48 * 8, False), (48 * 2, True)])
def test_a_later_network_has_more_windows_for_the_cores(side: int, alone: bool) -> None:
    """Eight windows for each of two cores: of ×2 twice the second network sees four times the pixels."""
    one = stage()
    single, double = Cascade((one,), 2.0), Cascade((one, one), 4.0)
    picture = Picture(np.zeros((side, 96, 3), np.uint8))
    assert single.on_one_core(picture, 2) is not None
    found = double.on_one_core(picture, 2)
    assert (found is not None) == alone
    if found is not None:
        assert found.stages[0].runner is found.stages[1].runner is not one.runner


def test_small_pictures_need_room_for_all_that_are_restored_at_a_time() -> None:
    picture = Picture(np.zeros((40, 40, 3), np.uint8))
    needed = picture.pixels.nbytes + Cascade((stage(),), 2.0).float_bytes((40, 40, 3))
    for memory, fits in ((4 * needed, True), (4 * needed - 1, False)):
        found = Cascade((stage(Limits(max_memory=memory)),), 2.0).on_one_core(picture, 4)
        assert (found is not None) == fits
