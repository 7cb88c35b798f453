"""The note in each result that says how it was made, and reading it again.

It is one text in JSON under the keyword `nsr`; the codec stores it as a PNG text or inside the XMP packet of other
formats. It holds the hash of the weights, the command that makes the same picture again, and digests of the pixels and
of all other metadata as they were written, which show whether somebody has edited the result since.
"""

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nsr_cli
from nsr_cli.imaging import codec
from nsr_cli.imaging.losses import BITS
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.notes import texts_of_file
from nsr_cli.notes.pixeldigest import PixelDigest
from nsr_cli.notes.texts_of_file import KEYWORD

Frames = Literal["all", "first"]
"""Which frames of an animation were taken."""

_LIMIT = 65_536  # characters; a longer text under our keyword is not ours
_HOLD_NOTES = frozenset({"PNG", "JPEG", "WEBP", "TIFF"})


@dataclass(frozen=True, slots=True)
class Making:
    """How a result was made."""

    arguments: Sequence[str]
    """The arguments of the command that affect the pixels, without the inputs."""
    model: str
    model_sha256: str
    """The hashes of several weights are joined with `+`, like their names."""
    steps: str | None = None
    """What `auto` did, in words."""
    frames: Frames | None = None


def mark(picture: Picture, made: Making, pixels: str | None = None, seal: str | None = None) -> Picture:
    """A copy of `picture` with a note on how it was made.

    Args:
        picture: as it is written.
        made: how it was made.
        pixels: digest of the pixels of all pages, or a token for it; None: the result is never taken for ours.
        seal: token for the digest of everything else in the file, which `metadatadigest.seal` replaces.
    """
    record = {"version": nsr_cli.__version__, "command": command_of(made.arguments)}
    record |= {"model": made.model, "model_sha256": made.model_sha256}
    more = {"steps": made.steps, "frames": made.frames, "pixels": pixels, "metadata": seal}
    record |= {key: value for key, value in more.items() if value is not None}
    return picture.with_metadata(picture.metadata.with_text(KEYWORD, json.dumps(record)))


def command_of(arguments: Sequence[str]) -> str:
    """The command as it is written in the note."""
    return shlex.join(["nsr", *arguments])


def read(path: Path) -> dict[str, str] | None:
    """The note in a picture file, without decoding its pixels; None if it has none.

    Raises:
        OSError: the file cannot be read.
        DecodeError: it is not a picture.
    """
    text = texts_of_file.find(path)
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
    """sha256 of what pictures look like, see `PixelDigest`."""
    found = PixelDigest()
    for page in pages:
        found.begin(page)
        found.add(page.pixels, page.alpha)
    return found.hexdigest()


def digest_as_written(
    pages: Sequence[Picture], form: str, quality: int | None, encode: Callable[[list[Picture]], bytes]
) -> str | None:
    """The `digest` of these pages as they will be read from the written file; None for formats that hold no note.

    If writing changes pixels, they are encoded and decoded for this, without metadata, since it happens in the
    program's own process, where nothing else of an untrusted file may be decoded.
    """
    if form not in _HOLD_NOTES:
        return None
    exact = form == "TIFF" or (len(pages) == 1 and (form == "PNG" or (form == "WEBP" and quality is None)))
    if exact and not (form == "TIFF" and any(page.is_float for page in pages)):
        return digest([codec.at_most(page, BITS[form]) for page in pages])
    bare = [page.with_metadata(Metadata(duration=page.metadata.duration)) for page in pages]
    return digest(list(codec.decode_all(encode(bare), max_pixels=1 << 62)))
