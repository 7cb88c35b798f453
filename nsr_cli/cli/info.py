"""`nsr info` and `nsr --version`: what runs here, and how a picture was made."""

import hashlib
import json as jsonlib
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

import nsr_cli
from nsr_cli.cli.commands import console_of
from nsr_cli.errors import NsrError, PartialFailure, PictureError
from nsr_cli.options import config
from nsr_cli.options.common import JsonLines
from nsr_cli.shown import counted, safe_text
from nsr_cli.terminal.console import Console


def show_version(console: Console) -> None:
    """Print `nsr 1.2.3`, or as JSON everything that affects results; without loading torch."""
    if not console.json:
        console.data(f"nsr {nsr_cli.__version__}")
        return
    console.json_line(_versions())


def info(
    ctx: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="Results of nsr, or weights, to explain.",
            show_default=False,
            readable=False,  # an unreadable file must fail like an absent one, and not hide the others
        ),
    ] = None,
    json: JsonLines = False,
) -> None:
    """Show version, devices, caches and settings files; for a FILE, how nsr made or trained it.

    \b
    Examples:
      nsr info
      nsr info photo_x4.png
      nsr info my-x2.safetensors     what it is for, how it was trained, and its sha256
    """
    console = console_of(ctx, json)
    if files:
        _explain(files, console)
        return
    facts = {**_versions(), **_devices(), **_places()}
    if console.json:
        console.json_line(facts)
        return
    for name, value in facts.items():
        console.data(f"{name:16} {', '.join(value) if isinstance(value, list) else value}")


def _versions() -> dict[str, Any]:
    return {
        "version": nsr_cli.__version__,
        "python": platform.python_version(),
        "torch": _installed("torch"),
        "manifest_sha256": _manifest_hash(),
    }


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _manifest_hash() -> str | None:
    """sha256 of the list of weights; None if it cannot be read."""
    from nsr_cli.weights.manifest import manifest_path  # imports all of weights: not for `nsr --version`

    try:
        return hashlib.sha256(manifest_path().read_bytes()).hexdigest()
    except OSError:
        return None


def _devices() -> dict[str, Any]:
    import torch  # not for `nsr --version`: it loads slowly

    names = [f"cpu ({counted(torch.get_num_threads(), 'thread')})"]
    names += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return {"devices": names}


def _places() -> dict[str, Any]:
    from nsr_cli.fetch import cache_root

    return {"cache": str(cache_root()), "settings": [str(file.path) for file in config.read_files()]}


def _explain(files: list[Path], console: Console) -> None:
    failed = 0
    for path in files:
        record: Mapping[str, Any] = {}
        problem = ""
        try:
            record = _record(path)
        except OSError as error:
            problem = error.strerror or str(error)
        except NsrError as error:
            problem = str(error)
        if console.json:
            console.json_line(_as_json(path, record, problem))
        elif not problem:
            _tell(path, record, console)
        if problem:
            failed += 1
            told = f"{safe_text(path)}: {problem}"
            if len(files) == 1:
                raise PictureError(told)
            console.error(told)
    if failed:
        raise PartialFailure(f"{failed} of {len(files)} files could not be explained")


def _as_json(path: Path, record: Mapping[str, Any], problem: str) -> dict[str, Any]:
    """The object for `--json`: `file` and `made_by`, and the fields that restoring commands print too."""
    return {
        "input": str(path),
        "status": "failed" if problem else "ok",
        "error": problem or None,
        "file": str(path),
        "made_by": record or None,
    }


def _tell(path: Path, record: Mapping[str, Any], console: Console) -> None:
    if "config" in record:
        console.data(f"{path}: weights")
        for name, value in record.items():
            console.data(f"  {name} {value if isinstance(value, str) else jsonlib.dumps(value)}")
        return
    console.data(f"{path}: {record['command']}")
    if "steps" in record:
        console.data(f"  steps {record['steps']}")
    console.data(f"  model {record['model']} (sha256 {record['model_sha256']}), nsr {record['version']}")


def _record(path: Path) -> Mapping[str, Any]:
    """The note in a picture; of weights, once they are found to be whole, their digest and what they say they are.

    Raises:
        OSError: the file cannot be read.
        NsrError: it is neither, or the picture has no note.
    """
    if path.suffix.lower() != ".safetensors":
        from nsr_cli.notes import provenance

        if note := provenance.read(path):
            return note
        raise PictureError("has no note that nsr made it")
    from nsr_cli.model.checkpoint import load_network
    from nsr_cli.model.description import read_description, read_file
    from nsr_cli.weights.entry import MAX_BYTES

    data = read_file(path, MAX_BYTES)
    load_network(data)
    told = read_description(data)
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "about": told.get("about"),
        "config": told["config"],
    }
