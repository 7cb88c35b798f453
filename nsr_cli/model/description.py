"""What a weights file says about itself, read from its first bytes and without torch.

┌─────────┬───────────────────────────────────────────┬─────────┐
│ 8 bytes │ JSON: tensors, "__metadata__": {"nsr": …} │ tensors │
└─────────┴───────────────────────────────────────────┴─────────┘
  length of the JSON, little-endian
"""

import errno
import json
from pathlib import Path
from typing import Any

from nsr_cli.errors import WeightsError
from nsr_cli.model.config import NetworkConfig
from nsr_cli.reads import open_regular, read_regular, state_of
from nsr_cli.shown import safe_text

METADATA_KEY = "nsr"
FORMAT = 1
MAX_HEADER = 1 << 23
"""The most bytes of the JSON header; that of a network with a thousand blocks takes a tenth of them."""

_SIZE_BYTES = 8  # at the start of a file: the length of its header
_STRANGE = (
    "not a weights file of nsr, or cut off; get it again (for the paper's authors' .pth: nsr weights import)"
)


def read_file(path: Path, most: int) -> bytes:
    """All bytes of a weights file; any other file is recognized by its start, and not read any further.

    Raises:
        OSError: there is no regular file, it has more than `most` bytes, or it changed while it was read.
        WeightsError: not such a file, or an unknown format.
    """
    read_start(path, most)
    return read_regular(path, most)


def read_start(path: Path, most: int) -> bytes:
    """The bytes of a weights file up to its tensors, which include the description. Raises as `read_file`."""
    with open_regular(path) as file:
        size = state_of(file)[0]
        if size > most:
            raise OSError(errno.EFBIG, f"its {size} bytes are too many")
        start = file.read(_SIZE_BYTES)
        header_bytes = int.from_bytes(start, "little")
        start += file.read(header_bytes if header_bytes <= MAX_HEADER else 0)
    read_description(start, safe_text(path.stem))
    return start


def read_description(data: bytes, name: str = "weights") -> dict[str, Any]:
    """The description in the metadata of a weights file. Raises `WeightsError` if there is none."""
    header_bytes = int.from_bytes(data[:_SIZE_BYTES], "little")
    header: Any = None
    try:
        if not 0 < header_bytes <= len(data) - _SIZE_BYTES:
            raise ValueError
        header = json.loads(data[_SIZE_BYTES : _SIZE_BYTES + header_bytes])
        description: dict[str, Any] = dict(json.loads(header["__metadata__"][METADATA_KEY]))
        dict(description["config"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise WeightsError(f"{name}: {_in_training(header) or _STRANGE}") from None
    if description.get("format") != FORMAT:
        raise WeightsError(
            f"{name}: written in format {description.get('format')!r}; this nsr reads {FORMAT}; update nsr"
        )
    return description


def read_config(data: bytes, name: str = "weights") -> NetworkConfig:
    """The configuration of a weights file. Raises `WeightsError` if it has no usable one."""
    try:
        return NetworkConfig.from_dict(read_description(data, name)["config"])
    except ValueError as error:
        raise WeightsError(f"{name}: unusable network configuration: {error}; get the file again") from None


def trained_for(data: bytes, name: str = "weights") -> str | None:
    """The training task that a weights file names, such as `denoise-gray`; None if it names none.

    Raises `WeightsError` as `read_description`.
    """
    about = read_description(data, name).get("about")
    task = about.get("task") if isinstance(about, dict) else None
    return task if isinstance(task, str) else None


def _in_training(header: object) -> str | None:
    """What to do with a file of a training run, whose kernels still have their gains beside them; None for others."""
    if not isinstance(header, dict) or not any(key.endswith(".first.weight_g") for key in header):
        return None
    return "a part of a training run; give the file that `nsr weights publish RUN --name NAME` makes"
