"""Weights files: what is stored, what is refused."""

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from nsr_cli.errors import WeightsError
from nsr_cli.model.checkpoint import fitting, load_network, save_network
from nsr_cli.model.config import PRESETS
from nsr_cli.model.convert import import_pth
from nsr_cli.model.description import read_config, read_description
from nsr_cli.model.network import Network
from tests.tiny import PLAIN, tiny_config, tiny_network


def test_round_trip_carries_configuration_and_half_precision_weights() -> None:
    torch.manual_seed(0)
    network = Network(tiny_config(scale=3))
    data = save_network(network, about={"steps": 7})
    loaded = load_network(data)
    assert loaded.config == network.config == read_config(data)
    assert read_description(data)["about"] == {"steps": 7}
    assert {t.dtype for t in load(data).values()} == {torch.float16}
    assert network.head.weight_g is not None  # the network in training was not folded
    x = torch.rand(1, 3, 48, 48)
    torch.testing.assert_close(loaded(x), network.eval()(x), atol=5e-3, rtol=0)


def test_folded_networks_can_be_saved_again() -> None:
    network = tiny_network()
    assert save_network(load_network(save_network(network))) == save_network(network)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 7,
        b"PK\x03\x04" + bytes(100),
        save({"a": torch.zeros(1)}),
        save_network(tiny_network())[:99],
    ],
)
def test_other_files_are_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(WeightsError, match="not a weights file of nsr, or cut off; get it again") as caught:
        load_network(data, "x.safetensors")
    assert "\n" not in str(caught.value)


def test_weights_of_a_training_run_are_said_to_be_such() -> None:
    """Wherever they are: copied out of the run's folder, say, for somebody else to use."""
    with pytest.raises(WeightsError, match=r"part of a training run.*weights publish") as caught:
        load_network(save(Network(tiny_config()).state_dict()))
    assert "weights import" not in str(caught.value)


def changed(
    data: bytes, tensors: dict[str, torch.Tensor] | None = None, config: Mapping[str, object] | None = None
) -> bytes:
    """A weights file with other tensors or another configuration."""
    description = read_description(data)
    metadata = {"nsr": json.dumps({**description, "config": {**description["config"], **(config or {})}})}
    return save(load(data) if tensors is None else tensors, metadata=metadata)


@pytest.mark.parametrize("change", [{"blocks": 10**9}, {"groups": 10**9}, {"width": 4 * 10**6}])
def test_a_configuration_of_more_weights_than_bytes_is_refused_before_it_is_built(
    change: dict[str, int],
) -> None:
    with pytest.raises(WeightsError, match="cannot hold"):
        load_network(changed(save_network(tiny_network()), config=change))


@pytest.mark.parametrize(
    "config",
    [
        {"selection": "best"},
        {"window": 4097},
        {"window": 2**63},
        {"window": 10**30},
        {"scale": 10**4000},
        {"cardinality": 10**4000},
        {"temperature": 0},
        {"temperature": 1e-300},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": 10**308},
        {"temperature": 10**400},
    ],
)
def test_a_configuration_beyond_all_networks_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(WeightsError, match=f"configuration: {next(iter(config))} must be "):
        load_network(changed(save_network(tiny_network()), config=config))


def test_the_tensor_that_does_not_fit_is_named() -> None:
    data = save_network(tiny_network())
    good = load(data)
    for tensors, said in (
        ({key: value for key, value in good.items() if key != "head.bias"}, r"head\.bias is missing"),
        (good | {"head.bias": torch.zeros(3)}, r"head\.bias is 3, not 16"),
        (good | {"tail.weight_v": torch.zeros(2, 3)}, r"tail\.weight_v is 2×3, not 12×16×3×3"),
        (good | {"odd\n": torch.zeros(3)}, r"odd\\n is none of the network's"),
        (
            good | {"head.bias": torch.zeros(16, dtype=torch.int8)},
            r"head\.bias holds int8, not floating-point",
        ),
        (
            good | {"head.bias": torch.zeros(16, dtype=torch.bool)},
            r"head\.bias holds bool, not floating-point",
        ),
    ):
        with pytest.raises(WeightsError, match=f"do not fit its configuration: {said}") as caught:
            load_network(changed(data, tensors))
        assert "\n" not in str(caught.value)
    double = changed(data, {key: value.double() for key, value in good.items()})
    assert torch.equal(load_network(double).head.bias, load_network(data).head.bias)


def test_future_formats_and_nan_are_refused() -> None:
    data = save_network(tiny_network())
    later = {"nsr": json.dumps({**read_description(data), "format": 2})}
    with pytest.raises(WeightsError, match="format 2"):
        load_network(save(load(data), metadata=later))
    tensors = load(data)
    tensors["head.bias"][0] = float("nan")
    with pytest.raises(WeightsError, match=r"NaN or infinity in head\.bias"):
        load_network(save(tensors, metadata={"nsr": json.dumps(read_description(data))}))


def test_another_scale_takes_over_the_body() -> None:
    two, four = tiny_network(scale=2), tiny_network(scale=4, seed=1)
    taken = fitting(two.state_dict(), four)
    assert {name.split(".")[0] for name in taken} == {"head", "body"}


def authors_checkpoint(network: Network) -> dict[str, torch.Tensor]:
    """A network with its parameters named as in the files that the authors released."""
    names = {}
    last = network.config.blocks + 1
    for key, value in network.state_dict().items():
        parts = key.split(".")
        if parts[0] in ("head", "tail", "skip"):
            prefix = {"head": "body.0", "tail": f"body.{last}", "skip": "skip.0"}[parts[0]]
            names[f"{prefix}.{parts[1]}"] = value
        else:
            rest = ".".join(parts[3:]).replace("selector.linear", "mlp.0")
            conv = {"first": 0, "second": 2}[parts[2]]
            names[f"body.{int(parts[1]) + 1}.body.{conv}.{rest}"] = value
    return names


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("preset", ["tiny", "wdsr"])
def test_authors_checkpoints_are_imported(preset: str, prefix: str) -> None:
    import dataclasses

    torch.manual_seed(0)
    network = Network(dataclasses.replace(PRESETS[preset], scale=2)).eval()
    stored = {prefix + key: value for key, value in authors_checkpoint(network).items()}
    file = io.BytesIO()
    torch.save({"model_state_dict": stored, "epoch": 3}, file)
    imported = import_pth(file.getvalue())
    assert imported.config == network.config
    x = torch.rand(1, 3, 48, 48)
    torch.testing.assert_close(imported(x), network(x), atol=1e-5, rtol=1e-5)


class Canary:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (os.environ["NSR_CANARY"],)


def test_a_pickle_payload_never_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSR_CANARY", str(tmp_path / "ran"))
    file = io.BytesIO()
    torch.save({"model_state_dict": {"a": Canary()}}, file)
    with pytest.raises(WeightsError, match="could run code"):
        import_pth(file.getvalue(), "evil.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content", [{"a": 1}, {"model_state_dict": {"body.0.weight_v": torch.zeros(4, 3, 3, 3)}}, [1]]
)
def test_other_checkpoints_are_refused(content: object) -> None:
    file = io.BytesIO()
    torch.save(content, file)
    with pytest.raises(WeightsError):
        import_pth(file.getvalue())
    with pytest.raises(WeightsError, match="not a PyTorch checkpoint"):
        import_pth(b"nothing of the kind")


def test_a_small_file_that_repeats_one_number_makes_no_large_network() -> None:
    """5 kB with 8,000 channels of one stored zero took 7 GB."""
    channels, number = 8000, torch.zeros(1)
    shapes = {name: value.shape for name, value in authors_checkpoint(Network(tiny_config(**PLAIN))).items()}
    width, inner = 16, 32
    wide = {width: channels, inner: 2 * channels}
    stored = {name: number.expand([wide.get(side, side) for side in shape]) for name, shape in shapes.items()}
    file = io.BytesIO()
    torch.save({"model_state_dict": stored}, file)
    assert len(file.getvalue()) < 1e4
    with pytest.raises(WeightsError, match=r"cannot hold the 4,6[\d,]+ weights of its"):
        import_pth(file.getvalue())


@pytest.mark.filterwarnings("ignore:.*quantize:UserWarning")  # of what makes the tensor
def test_checkpoints_that_would_make_no_usable_file_are_refused() -> None:
    """What `nsr weights import` wrote of the first two was refused by --model; the others were internal errors."""
    torch.manual_seed(0)
    good = authors_checkpoint(Network(PRESETS["tiny"]))
    bias, kernel = good["body.0.bias"], good["body.0.weight_v"]
    for changes, said in (
        ({"body.0.bias": bias * float("nan")}, r"NaN or infinity in head\.bias"),
        ({"body.0.weight_v": kernel * 0}, r"NaN or infinity in head\.weight"),
        (
            {"body.0.bias": torch.quantize_per_tensor(bias, 0.1, 0, torch.qint8)},
            r"body\.0\.bias is not a plain",
        ),
        ({"body.0.bias": bias.to(torch.complex64)}, r"body\.0\.bias is not a plain .*\(complex64\)"),
        ({"body.0.bias": bias.to_sparse()}, r"body\.0\.bias is not a plain"),
        ({"body.0.bias": bias.int()}, r"body\.0\.bias is not a plain .*\(int32\)"),
    ):
        file = io.BytesIO()
        torch.save(good | changes, file)
        with pytest.raises(WeightsError, match=said):
            import_pth(file.getvalue())
