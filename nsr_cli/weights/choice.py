"""Which weights of the manifest a task uses, and how often: a factor is composed of the available ones."""

from collections.abc import Sequence
from itertools import combinations_with_replacement
from math import prod
from pathlib import Path

from nsr_cli.errors import UsageError, WeightsError
from nsr_cli.weights.entry import TIERS
from nsr_cli.weights.manifest import Manifest

_MOST_STEPS = 4  # ×16, the greatest factor, takes four of ×2


def compose(factor: float, natives: Sequence[int]) -> list[int]:
    """The native factors whose product reaches `factor` in the fewest steps, and of these exceeds it least.

    ×8 of 2, 3, 4 is 4·2, ×2.5 is 3, ×16 is 4·4. The larger steps come first: they see the original pixels.

    Raises:
        UsageError: they do not reach it.
    """
    if factor == 1:
        return [1]
    for length in range(1, _MOST_STEPS + 1):
        fitting = [
            c for c in combinations_with_replacement(sorted(natives), length) if prod(c) >= factor - 1e-9
        ]
        if fitting:
            return sorted(min(fitting, key=prod), reverse=True)
    raise UsageError(
        f"×{factor:g} cannot be composed of ×{', ×'.join(map(str, natives))}; choose another --model"
    )


def native_steps(
    task: str, factor: float | None, model: str | None, manifest: Manifest
) -> Sequence[int | None]:
    """The native factors that a task takes, in the order in which they run.

    Args:
        task: `upscale`, `denoise` or `dejpeg`.
        factor: of `upscale`; None for the smallest native one.
        model: name in the manifest, tier or file; None for the best there is.
        manifest: what there is.

    Returns:
        One for each step, 1 for tasks other than `upscale`. A file of weights is one step; its factor, which only the
        file states, is None.

    Raises:
        UsageError, WeightsError: there are no such weights.
    """
    if task != "upscale":
        return [1]
    if model is not None:
        chosen = None if model in TIERS else manifest.resolve(model, task)
        if isinstance(chosen, Path):
            return [None]
        if chosen is not None and chosen.scale is not None:
            return [chosen.scale]
    natives = sorted({entry.scale for entry in manifest.entries if entry.task == task and entry.scale})
    if not natives:
        raise WeightsError("there are no weights for upscaling yet; give a file with --model")
    return natives[:1] if factor is None else compose(factor, natives)
