"""Groups of options, each defined once: those of commands that restore, and of commands that show."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from typing import Any

from nsr_cli.imaging.limits import DEFAULT_MAX_PIXELS
from nsr_cli.options import common, files, picture, tasks

_KEYWORD = inspect.Parameter.KEYWORD_ONLY


@dataclass(frozen=True, slots=True)
class RestoreFlags:
    """The options that every restoring command has."""

    output: files.Output = None
    recursive: files.Recursive = False
    files_from: files.FilesFrom = None
    null: files.Null = False
    name: files.Name = None
    if_exists: files.Exists = None
    format: files.Format = None
    quality: files.Quality = None
    strip: files.Strip = False
    all_frames: files.AllFrames = False
    dry_run: files.DryRun = False
    json: files.Json = False
    model: picture.Model = None
    strength: picture.Strength = 1.0
    tta: picture.Tta = False
    device: common.Device = "auto"
    precision: common.PrecisionChoice = "auto"
    batch: common.Batch = None
    tile: common.Tile = None
    max_memory: common.MaxMemory = None
    max_pixels: common.MaxPixels = DEFAULT_MAX_PIXELS
    offline: common.Offline = False
    mirror: common.Mirror = None


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """The options that `compare` and `explain` have in common."""

    if_exists: files.SheetExists = None
    task: tasks.Task = None
    scale: picture.Scale = None
    sigma: picture.Sigma = None
    jpeg_quality: picture.JpegQuality = None
    device: common.Device = "auto"
    max_pixels: common.MaxPixels = DEFAULT_MAX_PIXELS
    offline: common.Offline = False
    mirror: common.Mirror = None


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
