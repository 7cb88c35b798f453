"""The options that several commands share, and how their values are read.

Each alias is a type for a command's parameter; `shared` puts them together. Every option that can also come
from the environment or from a settings file has its line in `config.SETTINGS`.
"""

from typing import Annotated, Any, Literal

import typer

from nsr_cli.cli.values import (
    parse_amount,
    parse_device,
    parse_format,
    parse_jpeg_quality,
    parse_scale,
    parse_sigma,
    parse_strength,
)

IfExists = Literal["skip", "overwrite", "error"]
Fit = Literal["contain", "cover", "stretch"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]

_WHERE, _SHAPE, _HOW, _MACHINE = "What and where", "Size", "How", "Machine"


def _complete_device() -> list[str]:
    return ["auto", "cpu", "cuda", "mps"]


def _complete_model() -> list[str]:
    from nsr_cli.errors import NsrError
    from nsr_cli.weights.entry import TIERS
    from nsr_cli.weights.manifest import load_manifest

    try:
        return [*TIERS, *(entry.name for entry in load_manifest().entries)]
    except NsrError:
        return list(TIERS)


def _complete_step_model() -> list[str]:
    from nsr_cli.weights.entry import TASKS, TIERS

    return [*TIERS, *(f"{task}=" for task in TASKS)]


def _option(*names: str, panel: str, env: bool = True, **more: Any) -> Any:
    """An option in a group of the help page; with `env` also NSR_NAME, as `config.SETTINGS` has it."""
    longest = max(names, key=len).removeprefix("--").replace("-", "_").upper()
    variable = f"NSR_{longest}" if env else None
    return typer.Option(*names, rich_help_panel=panel, envvar=variable, show_envvar=False, **more)


Inputs = Annotated[
    list[str],
    typer.Argument(metavar="IN", help="Pictures, folders, patterns, or - for stdin.", show_default=False),
]

Output = Annotated[
    str | None,
    _option(
        "-o",
        "--output",
        metavar="PATH",
        panel=_WHERE,
        env=False,
        help="Result file, folder, or - for stdout.",
    ),
]
Recursive = Annotated[bool, _option("-r", "--recursive", panel=_WHERE, help="Look into subfolders.")]
Name = Annotated[
    str | None,
    _option(
        "--name",
        metavar="TEMPLATE",
        panel=_WHERE,
        help="Name of each result, such as '{stem}_{task}'; also {ext} {scale} {model} {sigma} {quality} "
        "{index}.",
    ),
]


def _exists(more: str) -> Any:
    return _option(
        "--if-exists",
        metavar="skip|overwrite|error",
        panel=_WHERE,
        help=f"What to do if the result already exists{more}.  [default: skip; error for -o FILE]",
    )


Exists = Annotated[
    IfExists | None,
    _exists("; skip still replaces it if nsr made it with other settings and nobody has edited it"),
]
SheetExists = Annotated[IfExists | None, _exists("")]


def _exists_as(default: str, what: str) -> Any:
    """For commands whose default does not depend on -o."""
    return _option(
        "--if-exists",
        metavar="skip|overwrite|error",
        panel=_WHERE,
        help=f"What to do if {what}.  [default: {default}]",
    )


DemoExists = Annotated[IfExists | None, _exists_as("skip", "the pictures already exist")]
PlotExists = Annotated[IfExists | None, _exists_as("error", "the drawing already exists")]
Format = Annotated[
    str | None,
    _option(
        "--format",
        metavar="FORMAT",
        panel=_WHERE,
        parser=parse_format,
        help="png, jpeg, webp, tiff, bmp or ppm.  [default: as the input where that is lossless, else png]",
    ),
]
Quality = Annotated[
    int | None,
    _option(
        "--quality", min=1, max=100, metavar="1..100", panel=_WHERE, help="Quality of a JPEG or WebP result."
    ),
]
Strip = Annotated[bool, _option("--strip", panel=_WHERE, help="Write no EXIF, GPS or text metadata.")]
AllFrames = Annotated[
    bool,
    _option("--all-frames", panel=_WHERE, help="Restore every frame of an animation, not only the first."),
]
DryRun = Annotated[
    bool, _option("-n", "--dry-run", panel=_WHERE, env=False, help="Show what would be done, and do nothing.")
]
Json = Annotated[
    bool, _option("--json", panel=_WHERE, env=False, help="Print one JSON object for each picture.")
]


def _scale(text: str, panel: str = _SHAPE, *, env: bool = True) -> Any:
    return _option("-s", "--scale", parser=parse_scale, metavar="N", panel=panel, env=env, help=text)


def _side(name: str) -> Any:
    about = f"{name.capitalize()} of the result."
    return _option(f"--{name}", min=1, metavar="PIXELS", panel=_SHAPE, env=False, help=about)


Scale = Annotated[float | None, _scale("Factor above 1, up to 16.  [default: 4]")]
ScaleAtEnd = Annotated[
    float | None,
    _scale("Enlarge by this factor at the end, above 1 and up to 16.  [default: not at all]", env=False),
]
ScaleOfNetwork = Annotated[
    float | None,
    _scale(
        "Factor of upscale; if it takes several networks, the first.  [default: the model's own]", panel=_HOW
    ),
]
Width = Annotated[int | None, _side("width")]
Height = Annotated[int | None, _side("height")]
FitChoice = Annotated[
    Fit,
    _option(
        "--fit",
        metavar="contain|cover|stretch",
        panel=_SHAPE,
        help="With both --width and --height: fit inside the box, cover it, or stretch to it.",
    ),
]

Sigma = Annotated[
    float | None,
    _option(
        "--sigma",
        parser=parse_sigma,
        metavar="N|auto",
        panel=_HOW,
        help="Noise level, 0 to 75 of 255; auto estimates it.  [default: auto]",
    ),
]
JpegQuality = Annotated[
    float | None,
    _option(
        "-q",
        "--jpeg-quality",
        parser=parse_jpeg_quality,
        metavar="N|auto",
        panel=_HOW,
        help="Quality of the JPEG, 1 to 100; auto reads it from the file, or estimates it.  [default: auto]",
    ),
]
Model = Annotated[
    str | None,
    _option(
        "-m",
        "--model",
        metavar="NAME|FILE",
        panel=_HOW,
        autocompletion=_complete_model,
        help="Weights: base, lite, a name from nsr weights list, or a file.",
    ),
]
StepModels = Annotated[
    list[str] | None,
    _option(
        "-m",
        "--model",
        metavar="STEP=NAME|FILE",
        panel=_HOW,
        autocompletion=_complete_step_model,
        help="Weights of one step, such as denoise=own.safetensors; base or lite alone means every step. Repeatable.",
    ),
]
Strength = Annotated[
    float,
    _option(
        "--strength",
        parser=parse_strength,
        metavar="0..1",
        panel=_HOW,
        help="How much of the effect to apply.",
    ),
]
Tta = Annotated[
    bool,
    _option(
        "--tta", panel=_HOW, help="Average over eight rotated and mirrored copies: better, 8 times slower."
    ),
]

Device = Annotated[
    str,
    _option(
        "--device",
        parser=parse_device,
        metavar="auto|cpu|cuda[:N]|mps",
        panel=_MACHINE,
        autocompletion=_complete_device,
        help="Where to compute.",
    ),
]
PrecisionChoice = Annotated[
    Precision,
    _option("--precision", metavar="auto|fp32|bf16|fp16", panel=_MACHINE, help="Number type to compute in."),
]
Batch = Annotated[
    int | None,
    _option(
        "--batch",
        min=1,
        metavar="N",
        panel=_MACHINE,
        help="Windows convolved at once on a GPU; changes speed and memory, not the picture.",
    ),
]
Tile = Annotated[
    int | None,
    _option(
        "--tile",
        min=1,
        metavar="PIXELS",
        panel=_MACHINE,
        help="Side of the tiles in which a picture is restored; smaller ones take less memory.",
    ),
]
MaxMemory = Annotated[
    int | None,
    _option(
        "--max-memory",
        parser=parse_amount,
        metavar="BYTES",
        panel=_MACHINE,
        help="Memory that one picture may take, such as 2G.  [default: half of what is free]",
    ),
]
MaxPixels = Annotated[
    int,
    _option(
        "--max-pixels",
        parser=parse_amount,
        metavar="N",
        panel=_MACHINE,
        help="Refuse pictures with more pixels.",
    ),
]
Offline = Annotated[bool, _option("--offline", panel=_MACHINE, help="Download nothing.")]
Mirror = Annotated[
    str | None,
    typer.Option(
        "--mirror",
        metavar="URL",
        envvar="NSR_WEIGHTS_MIRROR",
        show_envvar=False,
        rich_help_panel=_MACHINE,
        help="Address to try first for weights.",
    ),
]
