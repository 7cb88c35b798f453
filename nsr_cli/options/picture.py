"""The options about the picture: its size, and what is done to it."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from nsr_cli.options import completion
from nsr_cli.options.common import option, switch
from nsr_cli.options.values import parse_jpeg_quality, parse_scale, parse_sigma, parse_strength

Fit = Literal["contain", "cover", "stretch"]

_SHAPE, _HOW = "Size", "How"


def _scale(text: str, panel: str = _SHAPE, *, env: bool = True) -> Any:
    return option("-s", "--scale", parser=parse_scale, metavar="N", panel=panel, env=env, help=text)


def _side(name: str) -> Any:
    about = f"{name.capitalize()} of the result."
    return option(f"--{name}", min=1, metavar="PIXELS", panel=_SHAPE, env=False, help=about)


def _estimated(*names: str, parser: Callable[[str], float | None], about: str) -> Any:
    return option(*names, parser=parser, metavar="N|auto", panel=_HOW, help=f"{about}.  [default: auto]")


Scale = Annotated[float | None, _scale("Factor above 1, up to 16.  [default: 4]")]
ScaleAtEnd = Annotated[
    float | None,
    _scale("Enlarge by this factor at the end, above 1 and up to 16.  [default: not at all]", env=False),
]
ScaleOfNetwork = Annotated[
    float | None,
    _scale(
        "Upscale factor; where it takes several networks, the first is shown.  [default: the model's own]",
        panel=_HOW,
    ),
]
Width = Annotated[int | None, _side("width")]
Height = Annotated[int | None, _side("height")]
FitChoice = Annotated[
    Fit,
    option(
        "--fit",
        metavar="contain|cover|stretch",
        panel=_SHAPE,
        help="With both --width and --height: fit inside the box, cover it, or stretch to it.",
    ),
]

Sigma = Annotated[
    float | None,
    _estimated(
        "--sigma", parser=parse_sigma, about="Noise level, 0 to 75 where white is 255; auto estimates it"
    ),
]
JpegQuality = Annotated[
    float | None,
    _estimated(
        "-q",
        "--jpeg-quality",
        parser=parse_jpeg_quality,
        about="Quality the JPEG was saved with, 1 to 100; auto reads it from the file, or estimates it",
    ),
]
Model = Annotated[
    str | None,
    option(
        "-m",
        "--model",
        metavar="NAME|FILE",
        panel=_HOW,
        autocompletion=completion.models,
        help="Weights: base, lite (faster), a name from nsr weights list, or a file.  [default: the best for the task]",
    ),
]
StepModels = Annotated[
    list[str] | None,
    option(
        "-m",
        "--model",
        metavar="STEP=NAME|FILE",
        panel=_HOW,
        autocompletion=completion.step_models,
        help="Weights of one step, such as denoise=own.safetensors; base or lite alone is for every step. Repeatable.",
    ),
]
Strength = Annotated[
    float,
    option(
        "--strength",
        parser=parse_strength,
        metavar="0..1",
        panel=_HOW,
        help="How much of the effect to apply: 0 none, 1 all.",
    ),
]
Tta = Annotated[
    bool,
    switch(
        "--tta",
        panel=_HOW,
        help="Average over eight rotated and mirrored copies: better, but 8 times slower.",
    ),
]
