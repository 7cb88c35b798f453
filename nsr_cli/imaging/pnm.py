"""PBM, PGM, PPM and PAM: the formats of pipes. 1 to 16 bits, binary or plain text."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import limits, whites
from nsr_cli.imaging.metadata import profile
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.rebuild import finish

MAGIC = re.compile(rb"P[1-7][\s#]")
_SPACE = rb"(?:\s|#[^\r\n]*[\r\n])"
_NUMBER = rb"(\d{1,9})"
_HEAD = {
    n: re.compile(rb"P[1-7]" + (_SPACE + rb"+" + _NUMBER) * n + rb"(?:#[^\r\n]*[\r\n]|\s)") for n in (2, 3)
}
_PAM_END = re.compile(rb"^ENDHDR[ \t]*\r?\n", re.MULTILINE)
_PAM_LINE = re.compile(rb"^(WIDTH|HEIGHT|DEPTH|MAXVAL|TUPLTYPE)[ \t]+(\S+)", re.MULTILINE)
_PAM_TYPES = re.compile(rb"(BLACKANDWHITE|GRAYSCALE|RGB)(_ALPHA)?|CMYK")
_CMYK, _INKS = b"CMYK", 4
_PAM_FIELDS = (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
LONGEST_HEADER = 4096


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a PNM or PAM file."""

    magic: int
    """The digit after P."""

    width: int
    height: int
    channels: int
    maximum: int
    size: int
    """Bytes of the header itself."""
    is_cmyk: bool = False
    """Whether the four channels are CMYK inks, which only PAM has."""

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is transparency."""
        return self.channels in (2, 4) and not self.is_cmyk

    @property
    def is_text(self) -> bool:
        """Whether samples are decimal digits, so that their length in bytes is unknown."""
        return self.magic <= 3

    @property
    def sample_bytes(self) -> int:
        """Bytes of a binary sample."""
        return 2 if self.maximum > 255 else 1

    @property
    def payload(self) -> int:
        """Bytes of the binary samples."""
        if self.magic == 4:
            return self.height * -(-self.width // 8)
        return self.height * self.width * self.channels * self.sample_bytes


def header(data: bytes) -> Header | None:
    """The header at the start of `data`; None if it is not complete yet. DecodeError if it is not valid."""
    magic = data[1] - ord("0")
    found = _pam(data) if magic == 7 else _classic(data, magic)
    if found is None:
        if len(data) >= LONGEST_HEADER:
            raise DecodeError("the PNM header is damaged")
        return None
    if not 0 < found.maximum < 65_536 or not 1 <= found.channels <= 4:
        raise DecodeError(f"the PNM header is damaged (maximum {found.maximum}, {found.channels} channels)")
    return found


def _classic(data: bytes, magic: int) -> Header | None:
    match = _HEAD[2 if magic in (1, 4) else 3].match(data)
    if match is None:
        return None
    numbers = [int(group) for group in match.groups()]
    maximum = 1 if magic in (1, 4) else numbers[2]
    return Header(magic, numbers[0], numbers[1], 3 if magic in (3, 6) else 1, maximum, match.end())


def _pam(data: bytes) -> Header | None:
    end = _PAM_END.search(data, 0, LONGEST_HEADER)
    if end is None:
        return None
    fields = dict(_PAM_LINE.findall(data, 0, end.start()))
    try:
        width, height, depth, maximum = (int(fields[key][:9]) for key in _PAM_FIELDS)
    except (KeyError, ValueError):
        raise DecodeError("the PAM header is damaged") from None
    kind = fields.get(b"TUPLTYPE", b"")
    if kind and (not _PAM_TYPES.fullmatch(kind) or (kind == _CMYK and depth != _INKS)):
        name = "".join(filter(str.isprintable, kind.decode("ascii", "replace")))[:40]
        raise DecodeError(
            f"PAM of type {name} with {depth} channels is not supported; save it as GRAYSCALE or RGB, with or without "
            "_ALPHA"
        )
    return Header(7, width, height, depth, maximum, end.end(), kind == _CMYK)


def decode(data: bytes, max_pixels: int) -> Picture:
    """The first picture of a PNM file."""
    head = header(data[:LONGEST_HEADER] if len(data) > LONGEST_HEADER else data + b"\n")
    if head is None:
        raise DecodeError("the PNM file is cut off")
    limits.check_size(head.width, head.height, max_pixels)
    samples = _text_samples(data, head) if head.is_text else _binary_samples(data, head)
    samples = _scaled(samples, head.maximum).reshape(head.height, head.width, head.channels)
    # Programs write 65535 whatever the samples are, so it says nothing about white; a smaller maximum does.
    stated = None if head.maximum == whites.FULL and not head.is_cmyk else whites.FULL
    alpha, notes = None, tuple[str, ...]()
    if head.is_cmyk:
        samples, notes = profile.cmyk_to_rgb(samples, None)
    elif head.has_alpha:
        samples, alpha = samples[..., :-1], samples[..., -1]
    return finish(samples, alpha, Metadata(), "PPM", notes, stated=stated)


def _binary_samples(data: bytes, head: Header) -> NDArray[Any]:
    if len(data) < head.size + head.payload:
        raise DecodeError(f"the PNM file is cut off ({len(data)} of {head.size + head.payload} bytes)")
    body = np.frombuffer(data, np.uint8, head.payload, head.size)
    if head.magic == 4:
        rows = np.unpackbits(body.reshape(head.height, -1), axis=1)[:, : head.width]
        return 1 - rows
    return body.view(">u2") if head.sample_bytes == 2 else body


def _text_samples(data: bytes, head: Header) -> NDArray[Any]:
    count = head.width * head.height * head.channels
    if len(data) - head.size < count:
        raise DecodeError("the PNM file is cut off")
    body = re.sub(rb"#[^\r\n]*", b" ", data[head.size :])
    words = re.findall(rb"[01]", body) if head.magic == 1 else body.split(None, count)
    try:
        samples = np.array([int(word[:6]) for word in words[:count]], dtype=np.int64)
    except ValueError:
        raise DecodeError("the PNM file holds something other than numbers") from None
    if len(samples) < count:
        raise DecodeError(f"the PNM file is cut off ({len(samples)} of {count} samples)")
    clipped = np.clip(samples, 0, head.maximum).astype(np.uint16)
    return 1 - clipped if head.magic == 1 else clipped


def _scaled(samples: NDArray[Any], maximum: int) -> NDArray[Any]:
    """Samples of 0..maximum as 0..255 or, above 8 bits, 0..65535."""
    peak = 255 if maximum <= 255 else 65_535
    whole = samples.astype(np.uint32)
    if maximum != peak:
        whole = (np.minimum(whole, maximum) * peak + maximum // 2) // maximum
    return whole.astype(np.uint8 if peak == 255 else np.uint16)


def encode(picture: Picture) -> bytes:
    """A binary PGM (gray) or PPM (RGB) file of an opaque 8- or 16-bit picture."""
    kind = 5 if picture.is_gray else 6
    wide = picture.bits == 16
    head = f"P{kind}\n{picture.width} {picture.height}\n{65_535 if wide else 255}\n".encode("ascii")
    return head + (picture.pixels.astype(">u2") if wide else picture.pixels).tobytes()
