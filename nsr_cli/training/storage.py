"""How checkpoints and the best weights of a run are stored: a folder of tensors and state in which damage shows.

    FOLDER/  weights.safetensors  ema.safetensors  optimizer-0.safetensors …  state.json

`state.json` is written last and holds the sha256 of every other file. A file holds at most `MAX_BYTES`: a larger group
becomes several files, and a larger tensor several pieces of some rows each, named NAME#0, NAME#1 ….
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from nsr_cli.files import sync_folder
from nsr_cli.reads import read_regular

MAX_BYTES = 15 << 20  # of tensors in one file, so that runs can be moved between machines in pieces of 16 MiB
_STATE = "state.json"
_PIECE = "#"

TensorGroups = Mapping[str, Mapping[str, Tensor]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything a run needs to go on: named groups of tensors (weights, ema, optimizer) and plain state."""

    tensors: TensorGroups
    state: Mapping[str, Any]


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint into an empty folder and flush it to the disk. Raises `OSError`."""
    digests = {}
    for name, data in _encode(checkpoint.tensors).items():
        _write_synced(folder / name, data)
        digests[name] = hashlib.sha256(data).hexdigest()
    _write_synced(folder / _STATE, _document(checkpoint.state, digests))
    sync_folder(folder)


def restate(folder: Path, state: Mapping[str, Any]) -> None:
    """Atomically give an intact checkpoint another state; its tensors stay. Raises `OSError`."""
    file, partial = folder / _STATE, folder / f".{_STATE}.part"
    digests = json.loads(json.loads(read_regular(file))["body"])["files"]
    partial.unlink(missing_ok=True)
    _write_synced(partial, _document(state, digests))
    partial.replace(file)
    sync_folder(folder)


def _document(state: Mapping[str, Any], digests: Mapping[str, str]) -> bytes:
    body = json.dumps({"state": dict(state), "files": digests}, sort_keys=True)
    return json.dumps({"sha256": hashlib.sha256(body.encode()).hexdigest(), "body": body}).encode()


def read(folder: Path) -> Checkpoint | None:
    """The checkpoint in a folder, or None if a file is missing or differs from its digest."""
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


def is_part_of_run(file: Path) -> bool:
    """Whether a file of tensors belongs to a checkpoint, or to the best weights of a run."""
    return file.name != _STATE and (file.parent / _STATE).is_file()


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
    """The tensors by their names; one larger than MAX_BYTES comes in numbered pieces of some rows."""
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
