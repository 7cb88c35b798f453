"""Checkpoints of a run: a folder that is either complete and verified, or not there.

    RUN/checkpoints/step-00001000/  weights.safetensors  ema.safetensors  optimizer-0.safetensors …  state.json

`state.json` is written last and holds the sha256 of every other file. The folder gets its final name by a rename
once everything is on disk, and the one before it is removed only after that. Files of a group hold `MAX_BYTES` at most:
a group that is larger becomes several, and a tensor that is larger several of its rows each, named NAME#0, NAME#1 ….
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from nsr_cli.errors import TrainingError, WriteError
from nsr_cli.files import sync_folder
from nsr_cli.reads import read_regular
from nsr_cli.shown import safe_text
from nsr_cli.training.status import Notify, ignore

MAX_BYTES = 15 << 20  # of tensors in one file; runs travel between machines in pieces of 16 MiB
_KEPT = 2
_PREFIX = "step-"
_NAME = re.compile(_PREFIX + "[0-9]{8,}")
_STATE = "state.json"
_PIECE = "#"

TensorGroups = Mapping[str, Mapping[str, Tensor]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything a run needs to go on: named groups of tensors (weights, ema, optimizer) and plain state."""

    tensors: TensorGroups
    state: Mapping[str, Any]


def save(run: Path, step: int, checkpoint: Checkpoint) -> Path:
    """Write one checkpoint completely or not at all.

    Raises:
        WriteError: it could not be written; earlier checkpoints are untouched.
    """
    root = run / "checkpoints"
    target = root / f"{_PREFIX}{step:08d}"
    partial = root / f".{target.name}.{os.getpid()}.part"
    if _read(target) is not None:  # the last step, saved by the clock too: to replace it would risk it
        return target
    try:
        root.mkdir(parents=True, exist_ok=True)
        _remove_partial(root)
        partial.mkdir()
        _write_files(partial, checkpoint)
        if target.exists():  # damaged
            shutil.rmtree(target)
        partial.rename(target)
        sync_folder(root)
    except OSError as error:
        with contextlib.suppress(OSError):
            shutil.rmtree(partial)
        why = error.strerror or error
        raise WriteError(f"checkpoint {safe_text(target)}: {why}; {_kept_before(root)}") from error
    for old in _folders(root)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def load_latest(run: Path, notify: Notify = ignore) -> tuple[int, Checkpoint] | None:
    """The newest checkpoint that is whole, with its step; None where a run has none yet.

    Args:
        run: the folder of the run.
        notify: gets a line for each damaged one that is passed over.

    Raises:
        TrainingError: there are checkpoints and every one of them is damaged.
    """
    folders = _folders(run / "checkpoints")
    damaged: list[str] = []
    for folder in reversed(folders):
        loaded = _read(folder)
        if loaded is None:
            damaged.append(folder.name)
            continue
        step = _step_of(folder)
        for name in damaged:
            notify(f"{safe_text(run)}: checkpoint {name} is damaged; the one of step {step} is used")
        return step, loaded
    if folders:
        raise TrainingError(f"{safe_text(run)}: every checkpoint is damaged; start again with another --out")
    return None


def is_part_of_run(file: Path) -> bool:
    """Whether a file of tensors lies beside the state of a checkpoint, or of the best weights of a run."""
    return file.name != _STATE and (file.parent / _STATE).is_file()


def _kept_before(root: Path) -> str:
    """What is safe where a checkpoint could not be written, in words."""
    whole = next((folder for folder in reversed(_folders(root)) if _read(folder) is not None), None)
    if whole is None:
        return "there is none before it"
    return f"the one before it is kept (step {_step_of(whole)})"


def _step_of(folder: Path) -> int:
    return int(folder.name.removeprefix(_PREFIX))


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    # Others, such as a copy that somebody set aside under a longer name, are not this program's to read or remove.
    return sorted(p for p in root.iterdir() if re.fullmatch(_NAME, p.name) and p.is_dir())


def _remove_partial(root: Path) -> None:
    for left in root.glob(f".{_PREFIX}*.part"):
        shutil.rmtree(left, ignore_errors=True)


def _write_files(folder: Path, checkpoint: Checkpoint) -> None:
    digests = {}
    for name, data in _encode(checkpoint.tensors).items():
        _write_synced(folder / name, data)
        digests[name] = hashlib.sha256(data).hexdigest()
    state = {"state": dict(checkpoint.state), "files": digests}
    body = json.dumps(state, sort_keys=True)
    document = {"sha256": hashlib.sha256(body.encode()).hexdigest(), "body": body}
    _write_synced(folder / _STATE, json.dumps(document).encode())
    sync_folder(folder)


def _encode(groups: TensorGroups) -> dict[str, bytes]:
    """File name -> bytes; a group larger than MAX_BYTES becomes several files."""
    files = {}
    for group, tensors in groups.items():
        parts: list[dict[str, Tensor]] = [{}]
        used = 0
        for name, piece in _pieces(tensors):
            if parts[-1] and used + piece.nbytes > MAX_BYTES:
                parts.append({})
                used = 0
            parts[-1][name] = piece.detach().cpu().contiguous()
            used += piece.nbytes
        for index, part in enumerate(parts):
            suffix = f"-{index}" if len(parts) > 1 else ""
            files[f"{group}{suffix}.safetensors"] = save_tensors(part)
    return files


def _pieces(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The tensors by their names; of one larger than MAX_BYTES some rows at a time, numbered."""
    for name, tensor in tensors.items():
        if tensor.nbytes <= MAX_BYTES:
            yield name, tensor
            continue
        rows = max(1, MAX_BYTES * len(tensor) // tensor.nbytes)
        for index, start in enumerate(range(0, len(tensor), rows)):
            yield f"{name}{_PIECE}{index}", tensor[start : start + rows]


def _assembled(pieces: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of `_pieces`, in any order."""
    tensors: dict[str, Tensor] = {}
    rows: dict[str, dict[int, Tensor]] = {}
    for key, piece in pieces.items():
        name, is_piece, index = key.partition(_PIECE)
        if is_piece:
            rows.setdefault(name, {})[int(index)] = piece
        else:
            tensors[name] = piece
    return tensors | {name: torch.cat([part[i] for i in sorted(part)]) for name, part in rows.items()}


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _read(folder: Path) -> Checkpoint | None:
    """The checkpoint, or None when a file is missing or differs from its digest."""
    try:
        document = json.loads(read_regular(folder / _STATE))
        body = document["body"]
        if hashlib.sha256(body.encode()).hexdigest() != document["sha256"]:
            return None
        content = json.loads(body)
        groups: dict[str, dict[str, Tensor]] = {}
        for name, digest in content["files"].items():
            data = read_regular(folder / name)
            if hashlib.sha256(data).hexdigest() != digest:
                return None
            group = name.removesuffix(".safetensors").rstrip("0123456789").rstrip("-")
            groups.setdefault(group, {}).update(load_tensors(data))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Checkpoint({group: _assembled(pieces) for group, pieces in groups.items()}, content["state"])


def save_best(run: Path, saved: Checkpoint) -> None:
    """Keep the best weights so far in RUN/best, the former ones until these are safe.

    Raises:
        WriteError: they could not be written; the former ones are untouched.
    """
    target, partial, old = run / "best", run / ".best.part", run / ".best.old"
    try:
        _finish_best(target, partial, old)
        for left in (partial, old):
            shutil.rmtree(left, ignore_errors=True)
        partial.mkdir(parents=True)
        _write_files(partial, saved)
        if target.exists():
            target.rename(old)
        partial.rename(target)
        sync_folder(run)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if target.exists():  # else the new ones may be the only whole ones, see `_finish_best`
            shutil.rmtree(partial, ignore_errors=True)
        raise WriteError(f"{safe_text(target)}: {error.strerror or error}") from error


def _finish_best(target: Path, partial: Path, old: Path) -> None:
    """Do what a process that was killed between the two renames of `save_best` could not do."""
    if target.exists():
        return
    for left in (partial, old):
        if _read(left) is not None:
            left.rename(target)
            return


def load_best(run: Path) -> Checkpoint | None:
    """The best weights of a run, or None where none were kept.

    Raises:
        TrainingError: they are there and damaged; an older best would stand in for them unnoticed.
    """
    if (run / "best").exists():
        best = _read(run / "best")
        if best is None:
            raise TrainingError(f"{safe_text(run)}: the best weights are damaged; give --which last")
        return best
    for name in (".best.part", ".best.old"):  # of a process that was killed between the two renames
        loaded = _read(run / name)
        if loaded is not None:
            return loaded
    return None
