"""Which task is meant: by its name, or by the level that is given."""

from collections.abc import Mapping, Sequence

from nsr_cli.errors import UsageError
from nsr_cli.shown import safe_text, there_are

LEVEL_OPTIONS: Mapping[str, str] = {"upscale": "--scale", "denoise": "--sigma", "dejpeg": "--jpeg-quality"}
"""Every task, and the option for the level of its degradation."""


def task_of(task: str | None, given: Sequence[str]) -> str:
    """The task named so, or the one of those `given` by their levels; `upscale` without both.

    Raises:
        UsageError: there is no such task, or the levels are not for it.
    """
    if task is not None and task not in LEVEL_OPTIONS:
        raise UsageError(f"--task: there is no {safe_text(task)}{there_are(task, LEVEL_OPTIONS)}")
    if task is None and len(given) > 1:
        options = " and ".join(LEVEL_OPTIONS[one] for one in given)
        raise UsageError(f"{options} belong to different tasks: give one of them")
    chosen = task or next(iter(given), "upscale")
    foreign = next((LEVEL_OPTIONS[one] for one in given if one != chosen), None)
    if foreign is not None:
        raise UsageError(f"{foreign} does not belong to --task {chosen}: use {LEVEL_OPTIONS[chosen]}")
    return chosen
