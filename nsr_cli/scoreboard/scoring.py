"""The work of `nsr eval`: find and load sets and models, then score them."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nsr_cli.errors import UsageError
from nsr_cli.evaluate import Baseline, Case, Named, Results, Row, Scored, evaluate_set, find_results
from nsr_cli.model.levels import MAX_SIGMA, QUALITIES
from nsr_cli.scoreboard import models, scores
from nsr_cli.scoreboard.asked import Plan
from nsr_cli.scoreboard.rownames import told_apart
from nsr_cli.scoreboard.saved import Saver
from nsr_cli.scoreboard.sets import FoundSet, find_sets, is_folder
from nsr_cli.shown import safe_text
from nsr_cli.terminal.console import Console
from nsr_cli.weights.entry import BASELINES
from nsr_cli.weights.runs import refuse_run

if TYPE_CHECKING:
    from nsr_cli.restore import Restorer

_Model = Baseline | Named | Results
"""What has rows of its own, under a name that can be changed."""


@dataclass(frozen=True, slots=True)
class _Work:
    """One set with its cases and models."""

    jobs: list[tuple[Case, list[Scored]]]
    found: FoundSet
    doubles: list[str]
    """What to say about models that were named twice."""


def run(
    plan: Plan, data: Path | None, options: models.LoadOptions, saver: Saver | None, console: Console
) -> tuple[list[Row], tuple[str, str]]:
    """Score everything that was asked for; return the rows and what they ran on, as (device, precision).

    Sets, models, doubtful pictures and the places to save at are all checked before the first picture is scored, so
    that a wrong name costs no time.
    """
    for name in plan.models:
        _check_model(name, plan.task)
    loaded = _Loaded(options, console, tta=plan.tta)
    work = [_work(plan, one, loaded) for one in find_sets(plan, data, options.offline, console)]
    _check(work, saver)
    for line in dict.fromkeys(line for part in work for line in part.doubles):
        console.note(line)
    _warn_of_levels(plan, console)
    _warn_of_gray_sets(plan, work, console)
    rows: list[Row] = []
    total = sum(len(part.found.images) * len(scored) for part in work for _, scored in part.jobs)
    with console.progress(total, "scoring") as bar:
        for part in work:
            bar.picture(part.found.set.name)
            scored = evaluate_set(
                part.jobs,
                part.found.images,
                set_images=part.found.complete,
                progress=lambda done, _: bar.finished() if done else None,  # the first call comes before any
                keep=saver.keep if saver else None,
            )
            # The table comes at the end: a run of hours that is ended before has shown the scores of finished sets.
            say = console.detail if part is work[-1] else console.note
            for row in scored:
                say(scores.one_line(row))
            rows += scored
    return rows, loaded.ran_on


def _check_model(name: str | None, task: str) -> None:
    """UsageError if a model's name means nothing for the task, or is that of a training run."""
    if name and is_folder(name):
        refuse_run(Path(name))
        return
    if name and name.endswith(("/", os.sep)):
        raise UsageError(f"--model {safe_text(name)}: there is no such folder; check the path")
    try:
        models.check_name(name, task)
    except UsageError as error:
        if name and os.sep not in name and Path(name).is_dir():
            refuse_run(Path(name))
            raise UsageError(f"{error}; for the pictures in the folder write {safe_text(name)}/") from error
        raise


def _work(plan: Plan, found: FoundSet, loaded: "_Loaded") -> _Work:
    cases = plan.cases(found.set)

    def load(name: str | None, case: Case) -> _Model:
        if name is not None and is_folder(name):
            return find_results(Path(name), case, found.images, alone=len(cases) == 1)
        return loaded.get(name, case)

    jobs, doubles = [], []
    for case in cases:
        names, distinct, told = _distinct(plan.models, [load(name, case) for name in plan.models])
        jobs.append((case, _renamed(names, distinct)))
        doubles += told
    return _Work(jobs, found, doubles)


def _distinct(
    names: Sequence[str | None], found: Sequence[_Model]
) -> tuple[list[str | None], list[_Model], list[str]]:
    """Names and models without networks that an earlier name means too, as a tier's does, and a line about each.

    Files and folders stay: their rows can be told apart.
    """
    kept: dict[tuple[object, ...], tuple[str | None, _Model]] = {}
    told = []
    for name, model in zip(names, found, strict=True):
        has_path = isinstance(model, Results) or bool(name and Path(name).is_file())
        first, _ = kept.setdefault((name,) if has_path else (model.name, model.sha256), (name, model))
        if first != name:
            told.append(f"{first} and {name} are both {model.name}: it has one row")
    return [name for name, _ in kept.values()], [model for _, model in kept.values()], told


def _renamed(names: Sequence[str | None], found: Sequence[_Model]) -> list[Scored]:
    """The models, with names that tell apart those from folders and files; see `rownames`."""
    paths = [
        Path(name).absolute() if name and (is_folder(name) or Path(name).is_file()) else None
        for name in names
    ]
    shown = told_apart([model.name for model in found], paths)
    return [replace(model, name=name) for model, name in zip(found, shown, strict=True)]


def _check(work: Sequence[_Work], saver: Saver | None) -> None:
    """Raise before any scoring what would end it later: pictures that do not fit, places that are taken."""
    for part in work:
        for case, found in part.jobs:
            part.found.check(case)
            for model in found:
                if isinstance(model, Results):
                    model.check(case, part.found.images)
                if saver is not None:
                    saver.expect(case, model, part.found.images)


def _warn_of_levels(plan: Plan, console: Console) -> None:
    """Warn of levels beyond those that networks are trained for, where a row says nothing about them."""
    ranges: dict[str, tuple[float, float]] = {"denoise": (0, MAX_SIGMA), "dejpeg": QUALITIES}
    networks = [name for name in plan.models if name not in BASELINES and not is_folder(name)]
    if plan.task not in ranges or not networks:
        return
    low, high = ranges[plan.task]
    what = "sigma" if plan.task == "denoise" else "quality"
    for level in plan.levels:
        if not low <= level <= high:
            held = min(max(level, low), high)
            console.warning(
                f"{what} {level:g}: networks are trained for {low:g} to {high:g}, so they get {held:g}"
            )


def _warn_of_gray_sets(plan: Plan, work: Sequence[_Work], console: Console) -> None:
    """Warn of gray sets where scores in color were asked for: their rows are not comparable with the others."""
    for part in work:
        if plan.color == "rgb" and part.found.set.color == "gray":
            console.warning(f"{part.found.set.name} has gray pictures only, which are scored in gray")


def _tell_of_factors(restorer: "Restorer", scale: int, console: Console) -> None:
    """Warn if a factor is composed of others: the paper's scores are those of a network for that factor."""
    factors = restorer.factors
    if factors == (scale,):
        return
    made = " and ".join(f"x{factor}" for factor in factors)
    resized = "" if math.prod(factors) == scale else ", then resized"
    console.warning(f"{restorer.name} at x{scale}: no network of that factor, but {made}{resized}")


class _Loaded:
    """The models of a run, each loaded once."""

    def __init__(self, options: models.LoadOptions, console: Console, *, tta: bool) -> None:
        self._options, self._console, self._tta = options, console, tta
        self._known: dict[tuple[object, ...], Restorer] = {}

    @property
    def ran_on(self) -> tuple[str, str]:
        """Devices and precisions of the networks, each joined with `+`; those of baselines if there are no networks.

        They can differ, since a network continues on the CPU or in fp32 if memory or range does not suffice.
        """
        restorers = list(self._known.values())
        devices = {restorer.device for restorer in restorers}
        precisions = {name for restorer in restorers for name in restorer.precision.split("+")}
        return "+".join(sorted(devices)) or "cpu", "+".join(sorted(precisions)) or "fp32"

    def get(self, name: str | None, case: Case) -> Baseline | Named:
        """Return a baseline or the network that the name means for this case; errors as `Restorer.load`."""
        if name in BASELINES:
            return Baseline(str(name), case.scale)
        key = (name, case.task, case.scale, case.on_gray)
        if key not in self._known:
            color = "gray" if case.on_gray else "rgb"
            self._known[key] = models.load(name, case.task, case.scale, color, self._options, self._console)
            if case.task == "upscale":
                _tell_of_factors(self._known[key], case.scale, self._console)
        restorer = self._known[key]
        return Named(restorer, f"{restorer.name}+" if self._tta else restorer.name, self._tta)
