"""`nsr auto`: do for each picture what `nsr inspect` advises, at once and without rounding between steps."""

from dataclasses import replace
from pathlib import Path

import typer

from nsr_cli.cli.restore import factor_of, start
from nsr_cli.errors import UsageError
from nsr_cli.options.config import origin
from nsr_cli.options.files import Inputs
from nsr_cli.options.groups import RestoreFlags, takes
from nsr_cli.options.picture import FitChoice, Height, ScaleAtEnd, StepModels, Width
from nsr_cli.planning.settings import Settings
from nsr_cli.shown import safe_text, there_are


@takes(RestoreFlags)
def auto(
    ctx: typer.Context,
    inputs: Inputs,
    shared: RestoreFlags,
    model: StepModels = None,
    scale: ScaleAtEnd = None,
    width: Width = None,
    height: Height = None,
    fit: FitChoice = "contain",
) -> int:
    """Repair pictures as nsr inspect advises: JPEG artifacts, then noise; with -s enlarge them too.

    \b
    Examples:
      nsr auto photo.jpg                         writes photo_auto.png, or says that there is nothing to do
      nsr auto album/ -r -s 2                    writes the folder album_auto/
      nsr auto scans/ --dry-run                  shows for each picture which steps it would take
      nsr auto old.jpg --model dejpeg=own.safetensors --model denoise=lite

    Pixels keep their full precision between the steps and are rounded once, at the end. Only what was found with
    certainty is repaired. A picture with nothing to repair is skipped; in a pipe, or with a file named by -o, it is
    passed on unchanged. Pictures that are already as large as --width or --height ask for are repaired, but not
    enlarged.
    """
    scale = factor_of(ctx, scale, width, height)
    tier, models = _models(model or [], origin(ctx, "model"))
    settings = Settings("auto", scale=scale, width=width, height=height, fit=fit, models=models)
    return start(ctx, inputs, replace(shared, model=tier), settings)


def _models(texts: list[str], source: str) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """The tier for every step, if one was given, and the models of single steps; the last one of each counts.

    `source` says where they were set, unless it was on the command line.

    Raises:
        UsageError: a model without its step, or a step that does not exist.
    """
    from nsr_cli.weights.entry import TASKS, TIERS  # imports all of weights: not for --help

    tier, models = None, dict[str, str]()
    for text in texts:
        if text in TIERS:
            tier = text
            continue
        task, equals, name = text.partition("=")
        if not equals or (task not in TASKS and Path(text).exists()):
            raise UsageError(
                f"--model{source}: {safe_text(text)}: say for which step, such as --model denoise={safe_text(text)}"
            )
        if task not in TASKS or not name:
            raise UsageError(f"--model{source}: {safe_text(text)}: no such step{there_are(task, TASKS)}")
        models[task] = name
    return tier, tuple(sorted(models.items()))
