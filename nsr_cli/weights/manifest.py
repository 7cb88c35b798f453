"""The list of published weights: reading it, finding entries, adding one."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from nsr_cli.errors import UsageError, WeightsError, WriteError
from nsr_cli.files import write_atomic
from nsr_cli.shown import did_you_mean, safe_text
from nsr_cli.weights.entry import COLORS, FILE_SUFFIXES, TASKS, TIERS, WeightEntry, describe, parse_entry
from nsr_cli.weights.runs import check_file

SCHEMA = 1
MANIFEST_NAME = "weights_manifest.json"

_MAX_MANIFEST_BYTES = 4 << 20
_LOCK_SECONDS = 60.0  # far longer than it takes to write a manifest


@dataclass(frozen=True, slots=True)
class Manifest:
    """The entries of a manifest and its address.

    Args:
        entries: in the manifest's order; names and files are unique.
        place: the manifest's own address (file: or https:), against which relative addresses are resolved.
    """

    entries: tuple[WeightEntry, ...]
    place: str

    def get(self, name: str) -> WeightEntry:
        """Return the entry called `name`.

        Raises:
            UsageError: there is none; the message suggests one.
        """
        for entry in self.entries:
            if entry.name == name:
                return entry
        names = [entry.name for entry in self.entries]
        hint = did_you_mean(name, names) or "; `nsr weights list` shows all names"
        raise UsageError(f"there are no weights called {safe_text(name)}{hint}")

    def find(
        self, task: str, scale: int | None = None, color: str = "rgb", tier: str | None = None
    ) -> WeightEntry:
        """Return the weights for a task: of tier base, or lite if there is no base.

        Gray pictures get a gray network if there is one, else a color one.

        Raises:
            UsageError: an unknown task, color or tier.
            WeightsError: the manifest has none; the message lists what it has for the task.
        """
        _check_words(task, color, tier)
        for kind in ("gray", "rgb") if color == "gray" else ("rgb",):
            for wanted in (tier,) if tier else TIERS:
                for entry in self.entries:
                    if (entry.task, entry.scale, entry.color, entry.tier) == (task, scale, kind, wanted):
                        return entry
        others = sorted(
            {entry.name if tier else entry.purpose() for entry in self.entries if entry.task == task}
        )
        listed = f"{'' if tier else 'some for '}{', '.join(others)}"
        there = f"there are {listed if others else 'none for this task yet'}"
        which = f"{tier} weights" if tier else "weights"
        raise WeightsError(
            f"no {which} for {describe(task, scale, color)}: {there}; give a file with --model"
        )

    def resolve(
        self, model: str | None, task: str, scale: int | None = None, color: str = "rgb"
    ) -> WeightEntry | Path:
        """Return what the user means by a model: a tier, the name of an entry, or a file of weights.

        Anything with a folder or a suffix of weights is a file: `./base` is a file, `base` the tier.

        Args:
            model: None for the default.
            task: what it will be used for.
            scale: the factor it must have; None for tasks without one, or if any will do.
            color: `rgb` or `gray`.

        Raises:
            UsageError: there is no such file or name, or the weights are for something else.
            WeightsError: there are no weights for the task.
        """
        if model is None or model in TIERS:
            return self.find(task, scale, color, model)
        path = Path(model)
        if "/" in model or "\\" in model or path.suffix.lower() in FILE_SUFFIXES:
            return _existing_file(path)
        # Not `Path.is_file`, which raises where a name is too long.
        if model not in {entry.name for entry in self.entries} and os.path.isfile(model):  # noqa: PTH113
            return path
        try:
            entry = self.get(model)
        except UsageError as error:
            names = [*(entry.name for entry in self.entries), *TIERS]
            hint = did_you_mean(model, names) or "; nsr weights list shows the names"
            raise UsageError(
                f"{safe_text(model) or repr(model)} is neither a model nor a file{hint}"
            ) from error
        if entry.task != task or (scale is not None and entry.scale != scale):
            wanted = describe(task, scale, color)
            raise UsageError(
                f"{entry.name} is for {entry.purpose()}, not for {wanted}; choose another --model"
            )
        return entry

    def addresses(self, entry: WeightEntry) -> tuple[str, ...]:
        """Return where an entry's file can be had, relative addresses resolved."""
        return tuple(url if urlsplit(url).scheme else urljoin(self.place, url) for url in entry.urls)


def manifest_path() -> Path:
    """Where this program's manifest is: at the top of a checkout if it is only there, else in the package."""
    package = Path(__file__).parents[1]
    places = (package / MANIFEST_NAME, package.parent / MANIFEST_NAME)
    return next((place for place in places if place.is_file()), places[0])


def load_manifest(path: Path | None = None) -> Manifest:
    """Read a manifest: the given file, else the one in the package, else the one of the source tree.

    Raises:
        WeightsError: it is absent or damaged.
    """
    place = path or manifest_path()
    if not place.is_file():
        remedy = "check the path" if path else "install nsr again"
        raise WeightsError(f"there is no weights manifest at {safe_text(place)}; {remedy}")
    try:
        with place.open("rb") as stream:
            data = stream.read(_MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        reason = safe_text(error.strerror or "it cannot be read")
        raise WeightsError(f"cannot read {safe_text(place)}: {reason}; check the file") from error
    return parse_manifest(data, place.resolve().as_uri())


@lru_cache(maxsize=4)  # planning asks for it with each of thousands of pictures
def parse_manifest(data: bytes, place: str) -> Manifest:
    """Check the bytes of a manifest that came from the address `place`.

    Raises:
        WeightsError: one line that says what is wrong.
    """
    if len(data) > _MAX_MANIFEST_BYTES:
        raise _damaged("it is too long")
    try:
        content = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _damaged(str(error)) from None
    if not isinstance(content, dict) or content.keys() != {"schema", "weights"}:
        raise _damaged("it must hold 'schema' and 'weights' and nothing else")
    if content["schema"] != SCHEMA or isinstance(content["schema"], bool):
        raise WeightsError(
            f"this weights manifest has schema {safe_text(str(content['schema'])[:20])}, this version of nsr "
            f"reads {SCHEMA}; update nsr"
        )
    if not isinstance(content["weights"], list):
        raise _damaged("'weights' is not a list")
    entries = tuple(parse_entry(value) for value in content["weights"])
    _check_unique("name", [entry.name for entry in entries])
    _check_unique("file", [entry.file for entry in entries])
    return Manifest(entries, place)


def entries_of(manifest_path: Path) -> tuple[WeightEntry, ...]:
    """The entries of a manifest that need not exist yet. Raises `WeightsError` if it is damaged."""
    return load_manifest(manifest_path).entries if manifest_path.exists() else ()


def add_entry(manifest_path: Path, entry: WeightEntry) -> None:
    """Add an entry to the manifest at `manifest_path`, as `with_entry` does; without a file there, make one.

    Processes that do this at the same time take turns, so that none loses what another added.

    Raises:
        WeightsError: the manifest is damaged, or would be with this entry in it.
        WriteError: it cannot be written; it is as before.
    """
    if not manifest_path.parent.is_dir():
        write_atomic(manifest_path, with_entry(manifest_path, entry))  # says what is wrong with the folder
        return
    from nsr_cli.fetch.lock import one_at_a_time  # only now: filelock loads slowly

    busy = WriteError(
        f"cannot add {entry.name} to {safe_text(manifest_path)}: another process is still writing it; "
        "wait for it or end it"
    )
    target = Path(os.path.realpath(manifest_path))  # one lock for the file, by whatever link it is reached
    with one_at_a_time(target.with_name(f".{target.name}.lock"), _LOCK_SECONDS, busy):
        write_atomic(manifest_path, with_entry(manifest_path, entry))


def with_entry(manifest_path: Path, entry: WeightEntry) -> bytes:
    """The manifest at `manifest_path` with `entry` in place of the one of the same name, if there is one.

    Its bytes depend on the entries alone, which are sorted by name, with their keys in a fixed order.

    Raises:
        WeightsError: the manifest is damaged, or would be with this entry in it.
    """
    others = [one for one in entries_of(manifest_path) if one.name != entry.name]
    entries = sorted([*others, entry], key=lambda one: one.name)
    content = {"schema": SCHEMA, "weights": [one.as_json() for one in entries]}
    data = (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")
    parse_manifest(data, manifest_path.absolute().as_uri())
    return data


def _check_words(task: str, color: str, tier: str | None) -> None:
    for word, choices, what in ((task, TASKS, "task"), (color, COLORS, "color"), (tier, TIERS, "tier")):
        if word is not None and word not in choices:
            hint = did_you_mean(word, choices) or f"; it can be {', '.join(choices)}"
            raise UsageError(f"there is no {what} {safe_text(word)}{hint}")


def _existing_file(path: Path) -> Path:
    check_file(path, "check --model")
    return path


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _check_unique("key", [key for key, _ in pairs])
    return dict(pairs)


def _check_unique(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise _damaged(f"the {what} {name[:100]} appears twice")
        seen.add(name)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _damaged(what: str) -> WeightsError:
    return WeightsError(f"the weights manifest is damaged: {safe_text(what)}; get it again")
