"""How an option is declared, and the options about the machine, which nearly every command has.

Each alias is a type for a command's parameter; `groups` combines them. Options about files are in `files`, those about
sizes and effects in `picture`. Every option that can also come from the environment or from a settings file has an
entry in `settings.SETTINGS`.
"""

from typing import Annotated, Any, Literal

import typer

from nsr_cli.imaging.limits import DEFAULT_MAX_PIXELS
from nsr_cli.options import completion
from nsr_cli.options.values import parse_amount, parse_device

Precision = Literal["auto", "fp32", "bf16", "fp16"]

_MACHINE = "Machine"


def option(*names: str, panel: str, env: bool = True, **more: Any) -> Any:
    """An option in a panel of the help page; with `env` it also reads its variable in `settings.SETTINGS`."""
    longest = max(names, key=len).partition("/")[0].removeprefix("--").replace("-", "_").upper()
    variable = f"NSR_{longest}" if env else None
    return typer.Option(*names, rich_help_panel=panel, envvar=variable, show_envvar=False, **more)


def switch(*names: str, panel: str, **more: Any) -> Any:
    """An option without a value; if settings have turned it on, its `--no-` form turns it off again.

    Only the help page of `nsr config` mentions that form.
    """
    long = max(names, key=len)
    both = [f"{name}/--no-{name.removeprefix('--')}" if name == long else name for name in names]
    return option(*both, panel=panel, show_default=False, **more)


def flag(panel: str, name: str, metavar: str | None, about: str, **more: Any) -> Any:
    """An option in a panel of the help page that no settings file sets, nor, without `envvar`, the environment."""
    return typer.Option(name, metavar=metavar, help=about, rich_help_panel=panel, **more)


def _mirror(variable: str, about: str) -> Any:
    """`--mirror`, whose variable is not named after it."""
    return flag(_MACHINE, "--mirror", "URL", about, envvar=variable, show_envvar=False)


Device = Annotated[
    str,
    option(
        "--device",
        parser=parse_device,
        metavar="auto|cpu|cuda[:N]|mps",
        panel=_MACHINE,
        autocompletion=completion.devices,
        help="Where to compute.",
    ),
]
_PRECISION: dict[str, Any] = {
    "metavar": "auto|fp32|bf16|fp16",
    "panel": _MACHINE,
    "help": "Number format to compute in; auto is bf16 where the device computes in it natively, else fp32.",
}
PrecisionChoice = Annotated[Precision, option("--precision", **_PRECISION)]
# Without the environment: scores must not depend on what is set for restoring pictures.
ScorePrecision = Annotated[Precision, option("--precision", env=False, **_PRECISION)]
Batch = Annotated[
    int | None,
    option(
        "--batch",
        min=1,
        metavar="N",
        panel=_MACHINE,
        help="Windows to compute at once on a GPU; affects speed and memory, not the picture.",
    ),
]
Tile = Annotated[
    int | None,
    option(
        "--tile",
        min=1,
        metavar="PIXELS",
        panel=_MACHINE,
        help="Side of the tiles in which a picture is restored; smaller ones take less memory and change nothing in "
        "the picture.",
    ),
]
MaxMemory = Annotated[
    int | None,
    option(
        "--max-memory",
        parser=parse_amount,
        metavar="BYTES",
        panel=_MACHINE,
        help="Memory that one picture may take, such as 2G.  [default: half of what is free]",
    ),
]
MaxPixels = Annotated[
    int,
    option(
        "--max-pixels",
        parser=parse_amount,
        metavar="N",
        panel=_MACHINE,
        show_default=False,
        help="Refuse pictures with more pixels, such as 100M.  "
        f"[default: {DEFAULT_MAX_PIXELS / 1e6:.0f} million]",
    ),
]
Offline = Annotated[bool, switch("--offline", panel=_MACHINE, help="Download nothing.")]
Mirror = Annotated[str | None, _mirror("NSR_WEIGHTS_MIRROR", "Address to download weights from first.")]
DataMirror = Annotated[str | None, _mirror("NSR_DATA_MIRROR", "Address or folder to try first.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Answer as JSON, one object a line.")]
JsonObject = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
