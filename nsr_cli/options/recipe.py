"""Options of `nsr train` that make its recipe: the network, and how it is trained."""

from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any, Literal

from nsr_cli.options import completion
from nsr_cli.options.common import flag
from nsr_cli.options.values import parse_duration, parse_positive

_NETWORK = "Network"
_of_schedule = partial(flag, "Schedule")


def _of_network(name: str, metavar: str | None, about: str, **more: Any) -> Any:
    """An option whose default comes from the network's preset."""
    return flag(_NETWORK, name, metavar, f"{about}  [default: the preset's]", **more)


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """A preset, and changes to it; None keeps the preset's value."""

    preset: Annotated[
        str | None,
        flag(
            _NETWORK,
            "--network",
            "PRESET",
            "sparse-plus, sparse-minus-l, edsr-s, wdsr, base, lite, restore-plus, restore-minus, restore-base, "
            "restore-lite, restore-deep, restore-deeper or tiny.  [default: sparse-plus for upscale, else "
            "restore-plus]",
            autocompletion=completion.presets,
        ),
    ] = None
    blocks: Annotated[
        int | None, _of_network("--blocks", "N", "Residual blocks (N in the paper).", min=1)
    ] = None
    width: Annotated[
        int | None,
        _of_network("--width", "N", "Channels between the blocks (n).", min=1),
    ] = None
    expansion: Annotated[
        int | None,
        _of_network("--expansion", "N", "Channels inside a block, as a multiple of --width (w).", min=1),
    ] = None
    groups: Annotated[
        int | None,
        _of_network("--groups", "N", "Sparsity groups of kernels (k).", min=1),
    ] = None
    cardinality: Annotated[
        int | None,
        _of_network(
            "--cardinality", "N", "Cardinal groups (d); 0 makes each channel a group of its own.", min=0
        ),
    ] = None
    selection: Annotated[
        Literal["none", "softmax", "sigmoid", "gumbel"] | None,
        _of_network(
            "--selection",
            "none|softmax|sigmoid|gumbel",
            "How groups are weighted (Table 1); none is a plain convolution, of one group.",
        ),
    ] = None
    temperature: Annotated[
        float | None,
        _of_network(
            "--temperature",
            "T",
            "Temperature of the softmax, above 0; lower ones decide more sharply.",
            parser=parse_positive,
        ),
    ] = None
    shared: Annotated[
        bool | None,
        _of_network(
            "--shared/--separate", None, "One selection for both convolutions of a block, or one for each."
        ),
    ] = None

    def changes(self) -> dict[str, Any]:
        """Fields of the network that differ from the preset's."""
        given = asdict(self)
        del given["preset"]
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ScheduleOptions:
    """Fields of a `Recipe`, with the same names."""

    steps: Annotated[
        int | None,
        _of_schedule("--steps", "N", "Steps to train.  [default: 30 epochs of 100 crops a picture]", min=1),
    ] = None
    time_budget: Annotated[
        float | None,
        _of_schedule(
            "--time-budget",
            "TIME",
            "Time to train, such as 25m; the run ends then or after --steps, whichever comes first.  "
            "[default: no limit]",
            parser=parse_duration,
        ),
    ] = None
    batch: Annotated[int, _of_schedule("--batch", "N", "Patches in a step, over all processes.", min=1)] = 16
    windows: Annotated[
        int, _of_schedule("--windows", "N", "Side of a patch, in selection windows of the network.", min=1)
    ] = 1
    flat: Annotated[
        float,
        _of_schedule(
            "--flat",
            "SHARE",
            "Share of patches made nearly one color; 0.1 keeps flat areas from being tinted.",
            min=0,
            max=1,
        ),
    ] = 0
    intact: Annotated[
        float,
        _of_schedule(
            "--intact",
            "SHARE",
            "Share of dejpeg patches left uncompressed; only their mean color enters the loss (needs --mean-color).",
            min=0,
            max=1,
        ),
    ] = 0
    optimizer: Annotated[
        Literal["adam", "muon"],
        _of_schedule(
            "--optimizer",
            "adam|muon",
            "How weights are updated: Adam as in the paper, or Muon for the kernels of the blocks, which needs "
            "fewer steps.",
        ),
    ] = "adam"
    learning_rate: Annotated[
        float,
        _of_schedule(
            "--learning-rate", "RATE", "Learning rate at the start, above 0.", parser=parse_positive
        ),
    ] = 1e-3
    selector_rate: Annotated[
        float,
        _of_schedule(
            "--selector-rate",
            "TIMES",
            "Learning rate of the layers that choose the kernels, as a multiple of the rate of the kernels.",
            parser=parse_positive,
        ),
    ] = 1.0
    loss: Annotated[
        Literal["l1", "l2", "psnr"],
        _of_schedule(
            "--loss",
            "l1|l2|psnr",
            "What to minimize: absolute errors as in the paper, squared ones, or the negative PSNR of each patch, in "
            "which all levels count alike.",
        ),
    ] = "l1"
    mean_color: Annotated[
        float,
        _of_schedule(
            "--mean-color",
            "WEIGHT",
            "Weight of the error of each patch's mean color, added to the loss; 0 adds none.",
            min=0,
            max=100,
        ),
    ] = 0
    schedule: Annotated[
        Literal["step", "cosine"],
        _of_schedule(
            "--schedule",
            "step|cosine",
            "Learning rate: ×0.2 at 2/3 and 5/6 of the run, as in the paper, or a half cosine down to 0.",
        ),
    ] = "step"
    warmup: Annotated[
        int, _of_schedule("--warmup", "STEPS", "Steps in which the learning rate rises to its start.", min=0)
    ] = 0
    ema: Annotated[
        float,
        _of_schedule(
            "--ema",
            "DECAY",
            "Decay of a running average of the weights, such as 0.999; the average is then the result. 0 keeps none.",
            min=0,
            max=0.99999,
        ),
    ] = 0
