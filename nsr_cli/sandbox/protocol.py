"""What passes between the program and its decoding process: lines of JSON, and samples in a shared file.

    program ── {"size", "limits"} ──▶ process       the picture file's bytes are in the shared file
    program ◀── {"loading"}         ── process      only if a library must be loaded first,
    program ◀── {"reading"}         ── process      which is done now
    program ◀── {"picture"}         ── process      its samples are in the shared file now
    program ── {"next"}             ──▶ process      they were read; this and the line before repeat
    program ◀── {"done"} | {"error"} ── process      "done" comes with "picture" if there can be only one;
                                                     "trace" may come with "error", for --debug

Nothing in it is executable. What comes back is checked, since a malicious file may have taken over the
process that read it.
"""

import base64
import json
import math
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Literal, Self

import numpy as np

from nsr_cli.imaging.color import White
from nsr_cli.imaging.metadata import density
from nsr_cli.imaging.picture import Metadata, Picture, Pixels
from nsr_cli.imaging.png import color as pngcolor

LONGEST = 1 << 28
"""The most bytes of one line; only the texts of a picture make it long."""
LONGEST_TRACE = 20_000
"""The most characters of a traceback."""

Extent = Literal["first", "pages", "frames", "part"]
"""How much of a file to decode, in this order: its first picture; all pages of a TIFF, but only the first frame of an
animation; everything; a TIFF file of some rows of another one, with float samples as they are stored."""

_TYPES = ("uint8", "uint16", "float32")


class ProtocolError(Exception):
    """A line that the other side must not send."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one picture may take at most."""

    seconds: float
    memory: int
    """Bytes of address space beyond what the process has already."""

    result: int
    """Bytes of the samples of all its pages together."""


@dataclass(frozen=True, slots=True)
class Order:
    """A picture file to be decoded: how long it is, and how to read it."""

    size: int
    max_pixels: int
    extent: Extent
    limits: Limits

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """The order in a record that `asdict` has made."""
        return cls(**{**record, "limits": Limits(**record["limits"])})


def send(stream: BinaryIO, record: dict[str, Any]) -> None:
    """Write one line."""
    line = json.dumps(record).encode("ascii") + b"\n"
    if len(line) > LONGEST:
        raise ProtocolError("its texts are too long")
    stream.write(line)
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, Any]:
    """Read one line. EOFError if the other side is gone, ProtocolError for anything but an object."""
    line = stream.readline(LONGEST)
    if not line.endswith(b"\n"):
        if len(line) < LONGEST:
            raise EOFError
        raise ProtocolError("a line is too long")
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise ProtocolError("a line is no JSON object")
    return record


def arrays(picture: Picture) -> list[Pixels]:
    """The sample arrays of a picture in the order of the shared file."""
    return [picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha]


def describe(picture: Picture) -> dict[str, Any]:
    """Everything about a picture but its samples."""
    meta = picture.metadata
    return {
        "type": picture.pixels.dtype.name,
        "shape": picture.pixels.shape,
        "alpha": picture.alpha is not None,
        "exif": _packed(meta.exif),
        "icc": _packed(meta.icc),
        "dpi": meta.dpi,
        "aspect": meta.aspect,
        "text": meta.text,
        "duration": meta.duration,
        "plays": meta.plays,
        "color": [(name, _packed(content)) for name, content in meta.color],
        "iptc": _packed(meta.iptc),
        "geo": _packed(meta.geo),
        "left_out": meta.left_out,
        "source": picture.source,
        "notes": picture.notes,
        "span": picture.span,
        "first_of": picture.first_of,
        "apart": picture.is_apart,
        "white": None if picture.white is None else asdict(picture.white),
    }


def rebuild(record: dict[str, Any], most: int) -> Picture:
    """The picture that `describe` described, with its samples still to be filled in.

    Raises:
        ProtocolError: the description is invalid.
        MemoryError: its samples take more than `most` bytes.
    """
    try:
        shape = tuple(int(side) for side in record["shape"])
        if record["type"] not in _TYPES or len(shape) != 3 or min(*shape, record["first_of"]) < 1:
            raise ProtocolError("a picture of an impossible kind")
        samples = math.prod(shape) + (math.prod(shape[:2]) if record["alpha"] else 0)
        if samples * np.dtype(record["type"]).itemsize > most:
            raise MemoryError
        return Picture(
            np.empty(shape, record["type"]),
            np.empty(shape[:2], record["type"]) if record["alpha"] else None,
            _metadata(record),
            source=str(record["source"]),
            notes=tuple(str(note) for note in record["notes"]),
            span=_pair(record["span"]),
            first_of=int(record["first_of"]),
            white=_white(record["white"]),
            is_apart=bool(record["apart"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ProtocolError(f"a picture's description is wrong ({type(error).__name__})") from error


def _metadata(record: dict[str, Any]) -> Metadata:
    dpi, duration, plays, ratio = (record[name] for name in ("dpi", "duration", "plays", "aspect"))
    return Metadata(
        exif=_unpacked(record["exif"]),
        icc=_unpacked(record["icc"]),
        dpi=None if dpi is None else _pair(dpi),
        text=tuple((str(key), str(value)) for key, value in record["text"]),
        duration=None if duration is None else float(duration),
        plays=None if plays is None else int(plays),
        color=tuple(_color(name, content) for name, content in record["color"]),
        iptc=_unpacked(record["iptc"]),
        geo=_unpacked(record["geo"]),
        aspect=None if ratio is None else density.read_ratio(*_pair(ratio)),
        left_out=tuple(str(name) for name in record["left_out"]),
    )


def _color(name: str, text: str) -> tuple[str, bytes]:
    content = base64.b64decode(text, validate=True)
    if len(content) != pngcolor.LENGTHS.get(name):
        raise ProtocolError("an impossible color chunk")
    return name, content


def _white(record: Any) -> White | None:
    if record is None:
        return None
    white = White(int(record["value"]), int(record["top"]))
    if not 1 <= white.value <= white.top <= np.iinfo(np.uint16).max:
        raise ProtocolError("an impossible white")
    return white


def _pair(values: Any) -> tuple[float, float]:
    first, second = values
    return float(first), float(second)


def _packed(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode("ascii")


def _unpacked(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)
