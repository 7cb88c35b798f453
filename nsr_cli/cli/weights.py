"""`nsr weights`: which networks there are, where their files are, and whether these are intact."""

from collections.abc import Sequence
from typing import Annotated

import typer

from nsr_cli.cli.commands import console_of
from nsr_cli.cli.import_pth import import_pth
from nsr_cli.cli.publish import publish
from nsr_cli.errors import UsageError, WeightsError
from nsr_cli.options import completion
from nsr_cli.options.common import JsonLines, Mirror, Offline
from nsr_cli.terminal.texts import aligned, human_bytes
from nsr_cli.weights.entry import WeightEntry
from nsr_cli.weights.store import WeightStore

app = typer.Typer(add_completion=False)

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        autocompletion=completion.weights,
        help="Names of weights.  [default: all]",
        show_default=False,
    ),
]


@app.callback()
def weights() -> None:
    """List, fetch and check the networks' weights.

    \b
    Examples:
      nsr weights list
      nsr weights pull --all
      nsr weights verify
    """


@app.command("list")
def list_(ctx: typer.Context, json: JsonLines = False) -> None:
    """Show all weights in the manifest and where each is.

    \b
    Examples:
      nsr weights list
      nsr weights list --json
    """
    console = console_of(ctx, json)
    store = WeightStore()
    if console.json:
        for entry in store.manifest.entries:
            path = store.locate(entry)
            console.json_line({**entry.as_json(), "path": str(path) if path else None})
        return
    rows = [("name", "for", "preset", "size", "where")]
    rows += [
        (entry.name, _purpose(entry), entry.preset, human_bytes(entry.bytes), _where(store, entry))
        for entry in store.manifest.entries
    ]
    for line in aligned(rows, right=(3,)):
        console.data(line)


@app.command()
def pull(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", autocompletion=completion.weights, help="Names of weights.", show_default=False
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Download all weights in the manifest.")] = False,
    mirror: Mirror = None,
    offline: Offline = False,
) -> None:
    """Download weights to the cache, for use without a network.

    \b
    Examples:
      nsr weights pull upscale-x4-lite
      nsr weights pull --all --mirror https://mirror.example/nsr/
    """
    console = console_of(ctx)
    if not names and not every:
        raise UsageError("name the weights to pull, or give --all; `nsr weights list` shows them")
    if names and every:
        raise UsageError("give names or --all, not both")
    store = WeightStore(mirror=mirror, offline=offline)
    for entry in _entries(store, names):
        with console.progress(1, entry.name) as bar:
            path = store.pull(entry, bar.parts)
            bar.finished()
        console.note(f"{entry.name}: {path}")


@app.command()
def verify(ctx: typer.Context, names: Names = None, json: JsonLines = False) -> None:
    """Check the files on this machine against their sha256.

    \b
    Examples:
      nsr weights verify
      nsr weights verify upscale-x4-lite

    The exit code is 4 if a file is damaged, or if one that was named is absent.
    """
    console = console_of(ctx, json)
    store = WeightStore()
    findings = [store.verify(entry) for entry in _entries(store, names)]
    for finding in findings:
        if console.json:
            path = str(finding.path) if finding.path else None
            console.json_line({"name": finding.entry.name, "state": finding.state, "path": path})
        else:
            console.data(f"{finding.state:8} {finding.entry.name}  {finding.path or ''}".rstrip())
    damaged = [finding.entry.name for finding in findings if finding.state == "damaged"]
    if damaged:
        raise WeightsError(
            f"damaged: {', '.join(damaged)}; `nsr weights pull` downloads those in the cache again"
        )
    absent = [finding.entry.name for finding in findings if finding.state == "absent"]
    if names and absent:
        raise WeightsError(f"not on this machine: {', '.join(absent)}; `nsr weights pull` gets them")


@app.command()
def path(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", autocompletion=completion.weights, help="Name of weights.")
    ],
) -> None:
    """Print the path of a weights file; exit code 4 if it is not on this machine.

    \b
    Examples:
      nsr weights path upscale-x4-lite
    """
    store = WeightStore()
    entry = store.manifest.get(name)
    found = store.locate(entry)
    if found is None:
        raise WeightsError(f"{entry.name} is not on this machine; `nsr weights pull {entry.name}` gets it")
    console_of(ctx).data(str(found))


@app.command()
def prune(ctx: typer.Context) -> None:
    """Remove old, damaged and half-downloaded weights from the cache.

    \b
    Examples:
      nsr weights prune
    """
    console = console_of(ctx)
    removed = WeightStore().prune()
    for file in removed:
        console.note(f"removed {file}")
    if not removed:
        console.note("nothing to remove")


app.command("import")(import_pth)
app.command("publish")(publish)


def _entries(store: WeightStore, names: Sequence[str] | None) -> list[WeightEntry]:
    if not names:
        return list(store.manifest.entries)
    return [store.manifest.get(name) for name in dict.fromkeys(names)]


def _purpose(entry: WeightEntry) -> str:
    if entry.levels is None:
        return entry.purpose()
    low, high = entry.levels
    return f"{entry.purpose()} {'sigma' if entry.task == 'denoise' else 'q'} {low:g} to {high:g}"


def _where(store: WeightStore, entry: WeightEntry) -> str:
    found = store.locate(entry)
    if found is None:
        return "to download" if entry.urls else "not published"
    return "cache" if found.parent == store.folder else "bundled"
