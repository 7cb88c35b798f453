"""Groups of options, each defined once: those of commands that restore, and of commands that show."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from typing import Any

from nsr_cli.imaging.limits import DEFAULT_MAX_PIXELS
from nsr_cli.options.common import (
    Batch,
    Device,
    MaxMemory,
    MaxPixels,
    Mirror,
    Offline,
    PrecisionChoice,
    Tile,
)
from nsr_cli.options.files import (
    AllFrames,
    DryRun,
    Exists,
    FilesFrom,
    Format,
    Json,
    Name,
    Null,
    Output,
    Quality,
    Recursive,
    SheetExists,
    Strip,
)
from nsr_cli.options.picture import JpegQuality, Model, Scale, Sigma, Strength, Tta
from nsr_cli.options.tasks import Task

_KEYWORD = inspect.Parameter.KEYWORD_ONLY


@dataclass(frozen=True, slots=True)
class RestoreFlags:
    """The options that every restoring command has."""

    output: Output = None
    recursive: Recursive = False
    files_from: FilesFrom = None
    null: Null = False
    name: Name = None
    if_exists: Exists = None
    format: Format = None
    quality: Quality = None
    strip: Strip = False
    all_frames: AllFrames = False
    dry_run: DryRun = False
    json: Json = False
    model: Model = None
    strength: Strength = 1.0
    tta: Tta = False
    device: Device = "auto"
    precision: PrecisionChoice = "auto"
    batch: Batch = None
    tile: Tile = None
    max_memory: MaxMemory = None
    max_pixels: MaxPixels = DEFAULT_MAX_PIXELS
    offline: Offline = False
    mirror: Mirror = None


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """The options that `compare` and `explain` have in common."""

    if_exists: SheetExists = None
    task: Task = None
    scale: Scale = None
    sigma: Sigma = None
    jpeg_quality: JpegQuality = None
    device: Device = "auto"
    max_pixels: MaxPixels = DEFAULT_MAX_PIXELS
    offline: Offline = False
    mirror: Mirror = None


def takes(group: type[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command every option of a group; it gets their values together, as its parameter of that type.

    If the command has a parameter of the same name itself, it replaces the group's option, whose field keeps its
    default.
    """

    def give(command: Callable[..., Any]) -> Callable[..., Any]:
        own = inspect.signature(command, eval_str=True).parameters
        bundle = next(name for name, parameter in own.items() if parameter.annotation is group)
        given = [field for field in fields(group) if field.name not in own]

        @wraps(command)
        def expanded(**values: Any) -> Any:
            values[bundle] = group(**{field.name: values.pop(field.name) for field in given})
            return command(**values)

        parameters = [parameter for name, parameter in own.items() if name != bundle]
        for field in given:
            default = inspect.Parameter.empty if field.default is MISSING else field.default
            parameters.append(inspect.Parameter(field.name, _KEYWORD, default=default, annotation=field.type))
        # Typer learns a command's parameters from these two.
        expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        expanded.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return expanded

    return give
