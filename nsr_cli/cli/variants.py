"""The ways to restore a picture that `nsr compare` shows: models times strengths, each network run once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nsr_cli.compare.results import Result, Unit, nearest, shown
from nsr_cli.engine.finish import visible_color
from nsr_cli.imaging.color import to_unit
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.resizing.resize import resize
from nsr_cli.scoreboard.models import LoadOptions, check_name, load
from nsr_cli.shown import safe_text
from nsr_cli.steps.levels import Level
from nsr_cli.steps.restorers import color_of
from nsr_cli.terminal.console import Console
from nsr_cli.weights.entry import BASELINES

if TYPE_CHECKING:
    from nsr_cli.restore import Restorer


@dataclass(frozen=True, slots=True)
class Variant:
    """One model as the user wrote it (None: the best there is), and its strengths; a baseline has none."""

    model: str | None
    strengths: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What to compare."""

    task: str
    scale: float  # 1 except for upscale
    variants: tuple[Variant, ...]
    options: LoadOptions


def list_variants(task: str, models: Sequence[str], strengths: Sequence[float]) -> tuple[Variant, ...]:
    """Each model once, with each strength once, in the user's order. Nothing is loaded yet.

    Without models: bicubic (or the input, if the task does not enlarge) and the best network.

    Raises:
        UsageError: a name means nothing for the task.
    """
    names: list[str | None] = []
    for text in models:
        # A file's name may hold a comma.
        parts = [text] if Path(text).is_file() else [part.strip() for part in text.split(",")]
        names += [part for part in parts if part]
    if not names:
        names = ["bicubic" if task == "upscale" else "input", None]
    for name in names:
        check_name(name, task)
    levels = tuple(dict.fromkeys(strengths))
    return tuple(Variant(name, () if name in BASELINES else levels) for name in dict.fromkeys(names))


def restored(
    request: Request, picture: Picture, level: Level, console: Console, notice: Callable[[str], None]
) -> list[Result]:
    """Every result of the request, all of one size. Raises as `Restorer.load` and `Restorer.run`.

    `level` says how strong the picture's noise or compression is; `notice` is as for `Restorer.load`.
    """
    unit = to_unit(visible_color(picture), picture.white)
    color = color_of(picture, request.task)
    networks = sum(variant.model not in BASELINES for variant in request.variants)
    results: list[Result] = []
    with console.progress(max(networks, 1), "comparing") as bar:
        for variant in request.variants:
            if variant.model in BASELINES:
                results.append(_baseline(str(variant.model), unit, request))
                continue
            restorer = load(
                variant.model, request.task, request.scale, color, request.options, console, notice
            )
            bar.picture(restorer.name)
            out = restorer.run(unit, sigma=level.sigma, quality=level.quality, progress=bar.parts)
            bar.finished()
            results += _at_strengths(unit, out, variant, restorer)
    return _told_apart(results, request)


def _baseline(name: str, unit: Unit, request: Request) -> Result:
    height, width = (round(side * request.scale) for side in unit.shape[:2])
    if (height, width) != unit.shape[:2]:
        unit = nearest(unit, height, width) if name == "input" else resize(unit, height, width)
    return Result(name, shown(unit), plain=name == "input" and request.task == "upscale")


def _at_strengths(unit: Unit, out: Unit, variant: Variant, restorer: "Restorer") -> Iterator[Result]:
    # Strengths blend with the plain resize or the input, as in `Restorer`.
    plain = out
    if any(strength != 1 for strength in variant.strengths):
        plain = unit if unit.shape == out.shape else resize(unit, *out.shape[:2])
    for strength in variant.strengths:
        label = restorer.name if variant.strengths == (1.0,) else f"{restorer.name} · {strength:g}"
        pixels = shown(out) if strength == 1 else shown(plain, out, strength)
        yield Result(label, pixels, restorer.name, restorer.sha256, strength)


def _told_apart(results: list[Result], request: Request) -> list[Result]:
    """The results with distinct labels, even if files in several folders have the same name."""
    labels = [result.label for result in results]
    if len(set(labels)) == len(labels):
        return results
    asked = [variant.model for variant in request.variants for _ in variant.strengths or (1,)]
    return [
        replace(result, label=f"{result.label} ({safe_text(name)})")
        if labels.count(result.label) > 1 and name
        else result
        for result, name in zip(results, asked, strict=True)
    ]
