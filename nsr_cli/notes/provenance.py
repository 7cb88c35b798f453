"""The note in each result that says how it was made, and reading it again.

It is one text, keyword `nsr`, in JSON; the codec carries it as a PNG text or inside the XMP packet of other
formats. It names the weights by their hash, the command that makes the same picture again, and the pixels and all
other metadata as they were written, so that a result which somebody has edited is known from one that is still ours.
"""

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nsr_cli
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.notes import texts_of_file
from nsr_cli.notes.pixeldigest import PixelDigest

KEYWORD = "nsr"
Frames = Literal["all", "first"]
"""Which frames of an animation were taken."""

_LIMIT = 65_536  # characters; a longer text under our keyword is not ours
_HOLD_NOTES = frozenset({"PNG", "JPEG", "WEBP", "TIFF"})
_GREATEST_BITS = {"PNG": 16, "WEBP": 8, "TIFF": 32}


@dataclass(frozen=True, slots=True)
class Making:
    """How a result was made."""

    arguments: Sequence[str]
    """Those of the command that decide the pixels; the inputs are left out."""
    model: str
    model_sha256: str
    """Those of several weights are joined with `+`, as their names are."""
    steps: str | None = None
    """What `auto` did, in words."""
    frames: Frames | None = None


def mark(picture: Picture, made: Making, pixels: str | None = None, seal: str | None = None) -> Picture:
    """A copy of `picture` that remembers how it was made.

    Args:
        picture: as it is written.
        made: how it was made.
        pixels: digest of the pixels of all pages, or what stands for it; None: the result is never taken for ours.
        seal: what stands for the digest of everything else in the file, until `metadatadigest.seal` puts that there.
    """
    record = {"version": nsr_cli.__version__, "command": command_of(made.arguments)}
    record |= {"model": made.model, "model_sha256": made.model_sha256}
    more = {"steps": made.steps, "frames": made.frames, "pixels": pixels, "metadata": seal}
    record |= {key: value for key, value in more.items() if value is not None}
    return picture.with_metadata(picture.metadata.with_text(KEYWORD, json.dumps(record)))


def command_of(arguments: Sequence[str]) -> str:
    """The command as the note has it."""
    return shlex.join(["nsr", *arguments])


def read(path: Path) -> dict[str, str] | None:
    """The note in a picture file, without decoding its pixels; None if it has none.

    Raises:
        OSError: the file cannot be read.
        DecodeError: it is not a picture.
    """
    text = texts_of_file.find(path, KEYWORD)
    if text is None or len(text) > _LIMIT:
        return None
    try:
        record: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    wanted = ("version", "command", "model", "model_sha256")
    if not isinstance(record, dict) or not all(isinstance(record.get(key), str) for key in wanted):
        return None
    known = (*wanted, "steps", "frames", "pixels", "metadata")
    return {key: record[key] for key in known if isinstance(record.get(key), str)}


def digest(pages: Sequence[Picture]) -> str:
    """sha256 of pictures as they look: gray counts as RGB of equal parts, and opaque as alpha at its peak."""
    found = PixelDigest()
    for page in pages:
        found.begin(page)
        found.add(page.pixels, page.alpha)
    return found.hexdigest()


def digest_as_written(
    pages: Sequence[Picture], form: str, quality: int | None, encode: Callable[[list[Picture]], bytes]
) -> str | None:
    """The `digest` that reading the file of these pages will give; None for formats that hold no note.

    Where writing changes pixels, they are written by `encode` and read again, without anything of a stranger's file
    but them, since this is done in the program's own process.
    """
    if form not in _HOLD_NOTES:
        return None
    exact = form == "TIFF" or (len(pages) == 1 and (form == "PNG" or (form == "WEBP" and quality is None)))
    if exact and not (form == "TIFF" and any(page.is_float for page in pages)):
        return digest([codec.at_most(page, _GREATEST_BITS[form]) for page in pages])
    bare = [page.with_metadata(Metadata(duration=page.metadata.duration)) for page in pages]
    return digest(list(codec.decode_all(encode(bare), max_pixels=1 << 62)))
