"""`nsr weights publish`: make a weights file and its manifest entry from a training run."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nsr_cli.cli.commands import console_of
from nsr_cli.errors import DataError, UsageError
from nsr_cli.options.common import Device, Offline
from nsr_cli.options.files import DataFolder, PublishedExists
from nsr_cli.shown import safe_text
from nsr_cli.terminal.console import Console

if TYPE_CHECKING:
    from nsr_cli.datasets import PictureSet
    from nsr_cli.restore import Restorer
    from nsr_cli.training.publish import Trained


def publish(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the weights, such as upscale-x2-lite.")],
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="SET", help="Set to score on; repeatable.")
    ] = None,
    data: DataFolder = None,
    which: Annotated[
        Literal["best", "last"], typer.Option(help="Weights to take: the best by validation, or the last.")
    ] = "best",
    started_from: Annotated[
        str | None,
        typer.Option("--from", metavar="TEXT", help="What a run with --init started from, in words."),
    ] = None,
    manifest: Annotated[Path, typer.Option(metavar="FILE", help="Manifest to add the entry to.")] = Path(
        "weights_manifest.json"
    ),
    folder: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write the weights to.")] = Path(
        "nsr_cli/pretrained"
    ),
    if_exists: PublishedExists = None,
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Fold a run's network, store it as fp16 safetensors, score it, and list it in the manifest.

    \b
    Examples:
      nsr weights publish runs/x2 --name upscale-x2-lite --set Set5 --set Urban100 --data benchmarks/
      nsr weights publish runs/gray --name denoise-gray --which last

    Better weights replace those that were published under the same name, as long as the manifest lists that very
    file; any other file of that name stays, unless --if-exists says otherwise.

    The defaults for --manifest and --folder are those of a checkout of nsr; the license of weights elsewhere is
    listed as unstated until you state it there. Scores are those of the stored fp16 weights by the protocol of
    `nsr eval`.
    """
    from nsr_cli.training.publish import check, history, load_trained, publish, wrote
    from nsr_cli.training.recipe import find_task

    console = console_of(ctx)
    check(name, manifest)  # as the run and the folders below, before minutes of scoring
    trained = load_trained(run, which, console.warning)
    if started_from is not None and trained.recipe.init is None:
        raise UsageError(f"--from is for runs with --init: {safe_text(run)} started from scratch")
    trained = dataclasses.replace(trained, started_from=started_from)
    check(name, manifest, find_task(trained.recipe.task))
    history(trained)
    for option, place in (("--folder", folder), ("--manifest", manifest.parent)):
        if not place.is_dir():
            raise UsageError(
                f"{option}: there is no folder {safe_text(place)}; make it first, or give another"
            )
    path, replaced = folder / f"{name}.safetensors", if_exists is None and wrote(name, manifest, folder)
    if not replaced and _stays(path, name, if_exists, console):
        return
    model, pictures = _model(trained, device), _pictures(sets or [], data, offline, console)
    if replaced:
        listed = f"{safe_text(manifest)} listed as {safe_text(name)}"
        console.note(f"{safe_text(path)}: replaces the weights that {listed}")
    scores = _scores(trained, model, pictures, console)
    entry = publish(trained, name, manifest, folder, scores)
    console.note(f"{safe_text(folder / entry.file)}: {entry.bytes} bytes, {entry.trained_on}")


def _stays(path: Path, name: str, if_exists: str | None, console: Console) -> bool:
    """Whether the file exists and is left alone; then the user is told.

    Raises:
        UsageError: it exists, and --if-exists does not say what to do.
    """
    from nsr_cli.planning.single import Target, checked, skips  # numpy and the codecs: not for --help

    target = checked(Target(path, "safetensors"), if_exists or "error", option="--folder")
    return skips(target, safe_text(name), console)


def _model(trained: "Trained", device: str) -> "Restorer":
    """The network as it will be stored, ready to be scored."""
    from nsr_cli.model.checkpoint import load_network, save_network
    from nsr_cli.training.recipe import find_task
    from nsr_cli.training.validate import restorer_of

    stored = load_network(save_network(trained.network))
    return restorer_of(stored, find_task(trained.recipe.task), device)


def _scores(
    trained: "Trained",
    model: "Restorer",
    sets: "list[tuple[PictureSet, list[Path]]]",
    console: Console,
) -> dict[str, Any]:
    """Set -> {"psnr", "ssim"}, or for networks that take a level set -> level -> {"psnr", "ssim"}."""
    from nsr_cli.evaluate import evaluate
    from nsr_cli.scoreboard.asked import PAPER_LEVELS
    from nsr_cli.training.recipe import find_task
    from nsr_cli.training.validate import case_of

    task = find_task(trained.recipe.task)
    levels = (task.scale,) if task.kind == "upscale" else PAPER_LEVELS[task.kind]
    scores: dict[str, Any] = {}
    for pictures, files in sets:
        for level in levels:
            row = evaluate(case_of(task, pictures, level), files, model)
            console.note(f"{pictures.name} at {level}: {row.psnr:.2f} dB, {row.ssim:.4f}")
            if task.kind == "upscale":
                scores[pictures.name] = row.figures
            else:
                scores.setdefault(pictures.name, {})[str(level)] = row.figures
    return scores


def _pictures(
    sets: list[str], data: Path | None, offline: bool, console: Console
) -> "list[tuple[PictureSet, list[Path]]]":
    """The sets with their pictures, all found before the first one is scored.

    Raises:
        UsageError: there is no set of that name; before any other is downloaded.
        DataError: pictures are absent, or are not the set's, for which their scores would be listed.
    """
    from nsr_cli.datasets import DataStore
    from nsr_cli.scoreboard.sets import published_pictures

    store, found = DataStore(data, offline=offline), []
    for one in [store.registry.get(name) for name in sets]:
        files, problem = published_pictures(store, one, console)
        if problem is not None:
            raise DataError(f"{problem}: the manifest would list scores on other pictures; get them again")
        found.append((one, files))
    return found
