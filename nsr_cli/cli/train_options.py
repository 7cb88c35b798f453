"""The options of `nsr train`, put together by its command: where a run reads and writes, its network, its schedule."""

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_RUN, _MACHINE, _NETWORK, _SCHEDULE = "Run", "Machine", "Network", "Schedule"


def parse_duration(text: str) -> float:
    """Seconds in `90`, `90s`, `25m` or `2h`."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or float(found[1]) == 0:
        raise typer.BadParameter(f"{text!r} is not a duration; write 90s, 25m or 2h")
    return float(found[1]) * _UNITS[found[2]]


def _parse_positive(text: str | float) -> float:
    """A finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise typer.BadParameter(f"{text!r} is not possible; give a number above 0")
    return number


def _option(panel: str, name: str, metavar: str | None, about: str, **more: Any) -> Any:
    return typer.Option(name, metavar=metavar, help=about, rich_help_panel=panel, **more)


def _of_network(name: str, metavar: str | None, about: str, **more: Any) -> Any:
    """An option in whose place the network's preset has a value."""
    return _option(_NETWORK, name, metavar, f"{about}  [default: the preset's]", **more)


TaskName = Annotated[
    str,
    typer.Argument(
        metavar="TASK",
        help="upscale-x2, upscale-x3, upscale-x4, denoise-gray, denoise-rgb, dejpeg-gray or dejpeg-rgb.",
    ),
]

Data = Annotated[
    list[Path],
    _option(_RUN, "--data", "DIR", "Folder of training pictures, with its subfolders; repeatable."),
]
Out = Annotated[Path, _option(_RUN, "--out", "RUN", "Folder for everything that the run writes.")]
Resume = Annotated[bool, _option(_RUN, "--resume", None, "Continue from the last checkpoint in --out.")]
Init = Annotated[
    str | None,
    _option(
        _RUN,
        "--init",
        "NAME|FILE",
        "Weights to start from, as far as they fit; kernels of a plain network become groups.  "
        "[default: random weights]",
    ),
]
Validate = Annotated[
    str | None,
    _option(_RUN, "--validate", "SET", "Benchmark set to validate on.  [default: the pictures of --holdout]"),
]
ValidateData = Annotated[
    Path | None,
    _option(_RUN, "--validate-data", "DIR", "Folder with a folder SET for --validate, searched first."),
]
ValidateEvery = Annotated[
    int, _option(_RUN, "--validate-every", "STEPS", "Steps between validations.", min=1)
]
SaveEvery = Annotated[
    float,
    _option(
        _RUN,
        "--save-every",
        "TIME",
        "Time between checkpoints, such as 90s, 10m or 1h.",
        parser=parse_duration,
    ),
]
Holdout = Annotated[
    int,
    _option(
        _RUN,
        "--holdout",
        "N",
        "Pictures of --data set aside for validation, at most half of them; with 0, or one picture alone, "
        "validation is on those that are trained on.",
        min=0,
    ),
]
# The generator of each step is seeded with a million times this, which has to fit into 64 bits.
Seed = Annotated[
    int,
    _option(_RUN, "--seed", "N", "Seed of the first weights, the crops and the noise.", min=0, max=2**32 - 1),
]

TrainPrecision = Annotated[
    Literal["auto", "fp32", "bf16"],
    _option(
        _MACHINE,
        "--precision",
        "auto|fp32|bf16",
        "Number type to compute in; auto is bf16 on CUDA cards that multiply it natively, else fp32.",
    ),
]

Preset = Annotated[
    str | None,
    _option(
        _NETWORK,
        "--network",
        "PRESET",
        "sparse-plus, sparse-minus-l, edsr-s, wdsr, base, lite, restore-plus, restore-minus, restore-base, "
        "restore-lite, restore-deep, restore-deeper or tiny.  [default: sparse-plus for upscale, else restore-plus]",
    ),
]
Blocks = Annotated[int | None, _of_network("--blocks", "N", "Residual blocks (N in the paper).", min=1)]
Width = Annotated[int | None, _of_network("--width", "N", "Channels between the blocks (n).", min=1)]
Expansion = Annotated[
    int | None,
    _of_network("--expansion", "N", "Channels inside a block, as a multiple of --width (w).", min=1),
]
Groups = Annotated[int | None, _of_network("--groups", "N", "Sparsity groups of kernels (k).", min=1)]
Cardinality = Annotated[
    int | None,
    _of_network("--cardinality", "N", "Cardinal groups (d); 0 makes each channel one.", min=0),
]
Selection = Annotated[
    Literal["none", "softmax", "sigmoid", "gumbel"] | None,
    _of_network(
        "--selection",
        "none|softmax|sigmoid|gumbel",
        "How groups are weighted (Table 1); none is a plain convolution, of one group.",
    ),
]
Temperature = Annotated[
    float | None,
    _of_network(
        "--temperature",
        "T",
        "Temperature of the softmax, above 0; lower ones decide more sharply.",
        parser=_parse_positive,
    ),
]
Shared = Annotated[
    bool | None,
    _of_network(
        "--shared/--separate", None, "One selection for both convolutions of a block, or one for each."
    ),
]

Steps = Annotated[
    int | None,
    _option(_SCHEDULE, "--steps", "N", "Steps to train.  [default: 30 epochs of 100 crops a picture]", min=1),
]
TimeBudget = Annotated[
    float | None,
    _option(
        _SCHEDULE,
        "--time-budget",
        "TIME",
        "Time to train, such as 25m; the run ends then or after --steps, whichever comes first.  "
        "[default: no limit]",
        parser=parse_duration,
    ),
]
BatchSize = Annotated[
    int, _option(_SCHEDULE, "--batch", "N", "Patches in a step, over all processes.", min=1)
]
Windows = Annotated[
    int, _option(_SCHEDULE, "--windows", "N", "Side of a patch, in selection windows of the network.", min=1)
]
Flat = Annotated[
    float,
    _option(
        _SCHEDULE,
        "--flat",
        "SHARE",
        "Share of patches made nearly one color; 0.1 keeps flat areas from being tinted.",
        min=0,
        max=1,
    ),
]
Intact = Annotated[
    float,
    _option(
        _SCHEDULE,
        "--intact",
        "SHARE",
        "Share of patches for dejpeg that are not compressed; only their mean colors count, by --mean-color.",
        min=0,
        max=1,
    ),
]
LearningRate = Annotated[
    float,
    _option(
        _SCHEDULE,
        "--learning-rate",
        "RATE",
        "Learning rate at the start, above 0.",
        parser=_parse_positive,
    ),
]
SelectorRate = Annotated[
    float,
    _option(
        _SCHEDULE,
        "--selector-rate",
        "TIMES",
        "Learning rate of what chooses the groups of kernels, as a multiple of that of the kernels.",
        parser=_parse_positive,
    ),
]
LossKind = Annotated[
    Literal["l1", "l2", "psnr"],
    _option(
        _SCHEDULE,
        "--loss",
        "l1|l2|psnr",
        "What to minimize: absolute errors as in the paper, squared ones, or the negative PSNR of each patch, in which "
        "all levels count alike.",
    ),
]
MeanColor = Annotated[
    float,
    _option(
        _SCHEDULE,
        "--mean-color",
        "WEIGHT",
        "Weight of the error of each patch's mean color, added to the loss; 0 adds none.",
        min=0,
        max=100,
    ),
]
ScheduleKind = Annotated[
    Literal["step", "cosine"],
    _option(
        _SCHEDULE,
        "--schedule",
        "step|cosine",
        "Learning rate: ×0.2 at 2/3 and 5/6 of the run, as in the paper, or a half cosine down to 0.",
    ),
]
Warmup = Annotated[
    int,
    _option(_SCHEDULE, "--warmup", "STEPS", "Steps in which the learning rate rises to its start.", min=0),
]
Ema = Annotated[
    float,
    _option(
        _SCHEDULE,
        "--ema",
        "DECAY",
        "Decay of an average of the weights, such as 0.999, which is then the result; 0 keeps none.",
        min=0,
        max=0.99999,
    ),
]
