"""`nsr weights import`: make a weights file from a checkpoint of the paper's authors."""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from nsr_cli.cli.commands import console_of
from nsr_cli.errors import UsageError
from nsr_cli.files import write_atomic
from nsr_cli.options.files import WeightsExists
from nsr_cli.reads import open_regular, read_regular
from nsr_cli.shown import safe_text
from nsr_cli.weights.entry import MAX_BYTES


def import_pth(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="FILE.pth", help="A checkpoint in the authors' layout.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            readable=False,
            help="File to write.  [default: FILE.safetensors]",
        ),
    ] = None,
    if_exists: WeightsExists = None,
) -> None:
    """Convert a PyTorch checkpoint of the paper's authors to safetensors.

    \b
    Examples:
      nsr weights import nsr_x2.pth -o nsr_x2.safetensors
      nsr upscale photo.png -s 2 --model ./nsr_x2.safetensors

    Only tensors are read from it, never code. The result is used by its path with --model.
    """
    from nsr_cli.planning.single import Target, checked, skips

    console = console_of(ctx)
    if not source.is_file():
        raise UsageError(f"there is no file {safe_text(source)}")
    if _is_safetensors(source):
        _require_own(source)
        said = safe_text(source)
        raise UsageError(
            f"{said} is safetensors already: use it with --model {said}; import reads .pth files"
        )
    path = output or source.with_suffix(".safetensors")
    target = checked(Target(path, "safetensors"), if_exists or "error", str(source))
    if skips(target, safe_text(source), console):
        return
    import torch

    from nsr_cli.model.checkpoint import save_network
    from nsr_cli.model.convert import import_pth as convert

    try:
        data = read_regular(source, MAX_BYTES)
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"cannot read {safe_text(source)}: {why}; check the file") from error
    network = convert(data, safe_text(source))
    about = {"imported_from": source.name, "sha256": hashlib.sha256(data).hexdigest()}
    write_atomic(path, save_network(network, dtype=torch.float32, about=about))
    console.note(f"wrote {path}; use it with --model {path}")


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins like safetensors: with the length of a JSON header, and that header."""
    try:
        with open_regular(path) as file:
            start = file.read(9)
    except OSError:
        return False
    return start[8:] == b"{" and 0 < int.from_bytes(start[:8], "little") < path.stat().st_size


def _require_own(path: Path) -> None:
    """Raise `WeightsError` if a safetensors file is not one of nsr's: `--model` would refuse it."""
    from nsr_cli.model.description import read_start

    with suppress(OSError):  # too large or just gone: the next message is right nevertheless
        read_start(path, MAX_BYTES)
