"""Options of `nsr train`: where a run reads and writes, and where it computes."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from nsr_cli.options import completion
from nsr_cli.options.common import flag
from nsr_cli.options.values import parse_duration

_of_run = partial(flag, "Run")

TaskName = Annotated[
    str,
    typer.Argument(
        metavar="TASK",
        autocompletion=completion.training_tasks,
        help="upscale-x2, upscale-x3, upscale-x4, denoise-gray, denoise-rgb, dejpeg-gray or dejpeg-rgb.",
    ),
]

Data = Annotated[
    list[Path], _of_run("--data", "DIR", "Folder of training pictures, with its subfolders; repeatable.")
]
Out = Annotated[Path, _of_run("--out", "RUN", "Folder for everything the run writes.")]
Resume = Annotated[
    bool,
    _of_run(
        "--resume",
        None,
        "Continue from the last checkpoint in --out, with other --steps or --time-budget to another end; --init is not "
        "read again.",
    ),
]
Init = Annotated[
    str | None,
    _of_run(
        "--init",
        "NAME|FILE",
        "Weights to start from, as far as they fit; kernels of a plain network become groups.  "
        "[default: random weights]",
        autocompletion=completion.weights,
    ),
]
Validate = Annotated[
    str | None,
    _of_run(
        "--validate",
        "SET",
        "Benchmark set to validate on.  [default: the pictures of --holdout]",
        autocompletion=completion.sets,
    ),
]
ValidateData = Annotated[
    Path | None,
    _of_run("--validate-data", "DIR", "Folder that holds the set of --validate as DIR/SET; searched first."),
]
ValidateEvery = Annotated[int, _of_run("--validate-every", "STEPS", "Steps between validations.", min=1)]
SaveEvery = Annotated[
    float,
    _of_run(
        "--save-every", "TIME", "Time between checkpoints, such as 90s, 10m or 1h.", parser=parse_duration
    ),
]
Holdout = Annotated[
    int,
    _of_run(
        "--holdout",
        "N",
        "Pictures of --data set aside for validation, at most half of them; with 0, or with a single "
        "picture, the training pictures themselves are used.",
        min=0,
    ),
]
# The generator of each step is seeded with a million times the seed, which must fit into 64 bits.
Seed = Annotated[
    int, _of_run("--seed", "N", "Seed of the first weights, the crops and the noise.", min=0, max=2**32 - 1)
]

TrainPrecision = Annotated[
    Literal["auto", "fp32", "bf16"],
    flag(
        "Machine",
        "--precision",
        "auto|fp32|bf16",
        "Number format to compute in; auto is bf16 on CUDA cards that compute in it natively, else fp32.",
    ),
]
