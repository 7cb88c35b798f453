"""`nsr data`: which picture sets there are, where they are, and whether they are intact."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from nsr_cli.cli.commands import console_of
from nsr_cli.datasets import DataStore, PictureSet
from nsr_cli.datasets.store import Finding
from nsr_cli.errors import DataError
from nsr_cli.options import completion
from nsr_cli.options.common import DataMirror, JsonLines, Offline
from nsr_cli.options.files import DataFolder
from nsr_cli.terminal.texts import aligned, human_bytes

app = typer.Typer(add_completion=False)


@app.callback()
def data() -> None:
    """List, fetch and check benchmark and training sets.

    \b
    Examples:
      nsr data list
      nsr data pull Set5 Urban100
      nsr data verify --data benchmarks/
    """


@app.command("list")
def list_(ctx: typer.Context, folder: DataFolder = None, json: JsonLines = False) -> None:
    """Show all sets that nsr knows by name, and where each is.

    \b
    Examples:
      nsr data list
      nsr data list --data benchmarks/ --json
    """
    console = console_of(ctx, json)
    store = DataStore(folder)
    rows = [("name", "for", "color", "pictures", "size", "where")]
    for one in store.registry.sets:
        path = store.path(one.name)
        if console.json:
            console.json_line(_facts(one, path))
            continue
        size = human_bytes(one.bytes) if not one.is_manual else "-"
        rows.append((one.name, one.kind, one.color, str(one.images), size, _where(store, one, path)))
    if not console.json:
        for line in aligned(rows, right=(3, 4)):
            console.data(line)


@app.command()
def pull(
    ctx: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME", autocompletion=completion.sets, help="Sets to download."),
    ],
    mirror: DataMirror = None,
    offline: Offline = False,
) -> None:
    """Download sets to the cache.

    \b
    Examples:
      nsr data pull Set5 Set14 BSD100 Urban100
      nsr data pull Set5 --mirror /media/stick/sets

    Files that are already right are kept, so a download can be interrupted and continued.
    """
    console = console_of(ctx)
    store = DataStore(mirror=mirror, offline=offline)
    for name in dict.fromkeys(store.registry.get(name).name for name in names):
        with console.progress(1, name) as bar:
            path = store.pull(name, bar.parts)
            bar.finished()
        console.note(f"{name}: {path}")


@app.command()
def verify(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            autocompletion=completion.sets,
            help="Sets to check.  [default: all on this machine]",
            show_default=False,
        ),
    ] = None,
    folder: DataFolder = None,
    json: JsonLines = False,
) -> None:
    """Check the sets on this machine against their sha256.

    \b
    Examples:
      nsr data verify
      nsr data verify Set5 --data benchmarks/

    The exit code is 4 if a set is not as published, or if one that was named is absent. `unverified` is a
    complete folder whose files are not the published ones, for instance in another format.
    """
    console = console_of(ctx, json)
    store = DataStore(folder)
    wanted = [store.registry.get(name) for name in names or ()] or store.registry.sets
    findings = [store.verify(one.name) for one in wanted]
    if not names:
        findings = [finding for finding in findings if finding.state != "absent"]
    for finding in findings:
        place = str(finding.folder) if finding.folder else None
        if console.json:
            problems = list(finding.problems)
            facts = {"name": finding.set.name, "state": finding.state, "path": place, "problems": problems}
            console.json_line(facts)
            continue
        console.data(f"{finding.state:10}  {finding.set.name}  {place or ''}".rstrip())
        for problem in finding.problems:
            console.data(f"    {problem}")
    if wrong := _wrong(findings, store.folder):
        raise DataError(wrong)
    if not findings:
        console.note("no set is on this machine; `nsr data pull NAME` gets one")


@app.command()
def path(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", autocompletion=completion.sets, help="Name of a set.")
    ],
    folder: DataFolder = None,
) -> None:
    """Print the folder of a set; exit code 4 if it is not on this machine.

    \b
    Examples:
      nsr data path Set5
    """
    found = DataStore(folder).path(name)
    if found is None:
        raise DataError(f"{name} is not on this machine; `nsr data pull {name}` gets it")
    console_of(ctx).data(str(found))


def _wrong(findings: Sequence[Finding], cache: Path) -> str:
    """Which sets are damaged, incomplete or absent, and what to do; empty if all are here and intact."""
    states = {"damaged": "damaged", "incomplete": "incomplete", "absent": "not on this machine"}
    wrong = [finding for finding in findings if finding.state in states]
    parts = []
    for state, words in states.items():
        names = [finding.set.name for finding in wrong if finding.state == state]
        parts += [f"{words}: {', '.join(names)}"] if names else []
    own = [one.set.name for one in wrong if one.folder is not None and one.folder.parent != cache]
    if len(own) < len(wrong):
        parts.append("`nsr data pull` downloads what is missing or wrong" + (" in the cache" if own else ""))
    if own:
        parts.append(
            f"put the right files into the folder of {', '.join(own)} yourself, or leave out --data and NSR_DATA and "
            "run `nsr data pull`"
        )
    return "; ".join(parts) if wrong else ""


def _facts(one: PictureSet, path: Path | None) -> dict[str, object]:
    return {
        "name": one.name,
        "for": one.kind,
        "color": one.color,
        "images": one.images,
        "bytes": None if one.is_manual else one.bytes,
        "aliases": list(one.aliases),
        "note": one.note or None,
        "path": str(path) if path else None,
    }


def _where(store: DataStore, one: PictureSet, path: Path | None) -> str:
    if path is None:
        return "get it yourself" if one.is_manual else "to download"
    return "cache" if path.parent == store.folder else str(path)
