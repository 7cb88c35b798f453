"""The note in each result that says how it was made, and reading it again.

It is one text, keyword `nsr`, in JSON; the codec carries it as a PNG text or inside the XMP packet of other
formats. It names the weights by their hash and the command that makes the same picture again.
"""

import json
import shlex
from collections.abc import Sequence
from typing import Any

import nsr_cli
from nsr_cli.imaging.picture import Picture

KEYWORD = "nsr"

_LIMIT = 65_536  # characters; a longer text under our keyword is not ours


def mark(picture: Picture, arguments: Sequence[str], model: str, sha256: str) -> Picture:
    """A copy of `picture` that remembers the arguments, in shell form, and the weights that made it."""
    record = {"version": nsr_cli.__version__, "command": shlex.join(["nsr", *arguments])}
    text = json.dumps({**record, "model": model, "model_sha256": sha256})
    return picture.with_metadata(picture.metadata.with_text(KEYWORD, text))


def read(data: bytes) -> dict[str, Any] | None:
    """The note in a picture file; None if it has none.

    Raises:
        DecodeError: the bytes are no picture.
    """
    from nsr_cli.imaging.codec import decode

    text = decode(data).metadata.get_text(KEYWORD)
    if text is None or len(text) > _LIMIT:
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    wanted = ("version", "command", "model", "model_sha256")
    if not isinstance(record, dict) or not all(isinstance(record.get(key), str) for key in wanted):
        return None
    return {key: record[key] for key in wanted}
