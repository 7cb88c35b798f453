"""Split a stream of pictures, as `ffmpeg -f image2pipe` writes it, into one file's bytes after another.

The stream is never sought, and no more than one picture of it is held. The structure of a picture tells where it
ends: PNM by its header, PNG by its last chunk, JPEG by its end marker, BMP and WebP by the length that they state, GIF
by its end mark, TIFF by the last byte that its directories refer to, JPEG 2000, AVIF and HEIC by the lengths of their
boxes. The ends of all but the first three count only if another picture begins there; otherwise, and for PNM in plain
text, the picture reaches to the end of the stream.

Something else may follow the last picture: padding, or the video of a motion photo.
"""

import re
from collections.abc import Callable, Iterator
from typing import Protocol

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec, limits, outline, pnm, strangers
from nsr_cli.imaging.boxed.boxes import boxes
from nsr_cli.imaging.jpeg import markers
from nsr_cli.imaging.limits import DEFAULT_MAX_PIXELS
from nsr_cli.imaging.png.chunks import SIGNATURE
from nsr_cli.imaging.tiff import extent

_BLOCK = 1 << 16
_LONGEST_MAGIC = 32  # of AVIF, with the brands that it is compatible with
_STATED = {"BMP": (2, 0), "WEBP": (4, 8)}  # where a file states its length, and the bytes not counted in it
_PADDING = b"\0 \t\r\n"
_MOST_BEHIND = 1 << 26  # bytes that are looked at behind the last picture
_STARTS = (SIGNATURE, b"\xff\xd8\xff")
_HEAD = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff(?:\xe0..JFIF|\xe1..Exif)\0|P[1-6]\s\d{1,9}\s\d{1,9}\s|P7\nWIDTH",
    re.DOTALL,
)
_LONGEST_HEAD = 23


class ByteStream(Protocol):
    """A stream as it is needed here; `read` may return fewer bytes than asked for."""

    def read(self, size: int, /) -> bytes | None:
        """Up to `size` bytes; empty at the end."""
        ...


class _Source:
    """The bytes of a stream that are read but not yet given out."""

    def __init__(self, stream: ByteStream, most: int) -> None:
        self._most = most
        # A buffered reader's `read` waits until it has all that was asked for, `read1` does not.
        self._read = getattr(stream, "read1", stream.read)
        self.held = bytearray()
        self.ended = False

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, part: slice, /) -> bytes:
        return bytes(self.held[part])

    def more(self) -> bool:
        """Read another block; False at the end of the stream."""
        if not self.ended:
            block = self._read(_BLOCK)
            self.ended = not block
            self.held += block or b""
            if len(self.held) > self._most:
                raise DecodeError("the stream goes on beyond the largest picture; see --max-pixels")
        return not self.ended

    def need(self, size: int, what: str) -> None:
        """Read until `size` bytes are held. DecodeError if the stream ends before, in a `what` picture."""
        while len(self.held) < size:
            if not self.more():
                raise DecodeError(f"the stream ends in the middle of a {what} picture")

    def take(self, size: int) -> bytes:
        """Give out the first `size` bytes."""
        taken = bytes(memoryview(self.held)[:size])
        del self.held[:size]
        return taken

    def skip_space(self) -> None:
        """Drop white space between pictures, which some writers leave after the last."""
        while True:
            del self.held[: len(self.held) - len(self.held.lstrip())]
            if self.held or not self.more():
                return


def read_stream(
    stream: ByteStream,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    notice: Callable[[str], None] | None = None,
) -> Iterator[bytes]:
    """The pictures of a binary stream, one complete file's bytes each, in order.

    Pixels are not decoded. DecodeError for a stream that is empty, ends inside a picture or holds something else,
    raised after the pictures before that place were given out. Something else behind the last picture is not an
    error: `notice` gets a line about it.
    """
    source, count = _Source(stream, limits.most_bytes(max_pixels)), 0
    while True:
        if count:
            source.skip_space()
        while len(source) < _LONGEST_MAGIC and source.more():
            pass
        if count and not source.held:
            return
        if count and _ends(source):
            if notice is not None:
                notice(f"what follows picture {count} of the stream is not a picture: left out")
            return
        try:
            kind = codec.sniff(source[:_LONGEST_MAGIC])
            size = _length(source, kind, max_pixels)
        except DecodeError as error:
            if not count:
                raise
            raise DecodeError(f"picture {count + 1} of the stream: {error}") from None
        yield source.take(size)
        count += 1


def is_followed(data: bytes) -> bool:
    """Whether another picture follows the first one in a PNM file, which may hold several."""
    head = pnm.header(data[: pnm.LONGEST_HEADER]) if codec.sniff(data) == "PPM" else None
    if head is None or head.is_text:
        return False
    end = head.size + head.payload
    behind = data[end : end + _BLOCK].lstrip(_PADDING)
    return bool(behind) and _is_picture(behind[:_LONGEST_MAGIC])


def _ends(source: _Source) -> bool:
    """Whether something that is not a picture ends the stream; padding before a picture is dropped.

    If pictures follow behind something else, the answer is False: they must not be lost silently.
    """
    head = source[:_LONGEST_MAGIC]
    if _is_picture(head):
        return False
    place = 0
    while (found := _HEAD.search(source.held, place)) is None:
        place = max(0, len(source) - _LONGEST_HEAD)
        if len(source) > _MOST_BEHIND or not source.more():
            return True
    if not source.held[: found.start()].strip(b"\0"):
        del source.held[: found.start()]
    return False


def _is_picture(head: bytes) -> bool:
    """Whether a file's first bytes are those of a picture, even in a format that is not read, or a cut off one."""
    try:
        codec.sniff(head)
    except DecodeError:
        cut = len(head) < _LONGEST_MAGIC and any(start.startswith(head) for start in _STARTS)
        return cut or strangers.is_picture(head)
    return True


def _length(source: _Source, kind: str, max_pixels: int) -> int:
    """Bytes of the picture at the start of `source`, all of them held."""
    if kind == "PNG":
        return _png_length(source)
    if kind == "JPEG":
        return _jpeg_length(source)
    if kind == "PPM":
        while (head := pnm.header(source[: pnm.LONGEST_HEADER])) is None:
            source.need(len(source) + 1, "PNM")
        limits.check_size(head.width, head.height, max_pixels)
        if not head.is_text:
            source.need(head.size + head.payload, "PNM")
            return head.size + head.payload
    if kind in _STATED:
        return _stated_length(source, *_STATED[kind])
    return _length_if_followed(source, kind)


def _stated_length(source: _Source, place: int, more: int) -> int:
    """The length that a file states, if a picture follows there (some state a wrong one); else all that is left."""
    source.need(place + 4, "BMP or WebP")
    length = int.from_bytes(source.held[place : place + 4], "little") + more
    while len(source) < length + _LONGEST_MAGIC and source.more():
        pass
    return length if length > place and _follows(source, length) else _rest(source)


def _length_if_followed(source: _Source, kind: str) -> int:
    """The length of a file that does not state it, with padding, if a picture follows there; else all that is left."""
    whole = _rest(source)
    end = _ENDS[kind](source) if kind in _ENDS else None
    if end is None:
        return whole
    if _follows(source, end):  # whose first bytes may be zeros, as padding is
        return end
    while source.held[end : end + 1] == b"\0":
        end += 1
    return end if _follows(source, end) else whole


def _end_of_boxes(source: _Source) -> int | None:
    """Where a box ends behind which a picture begins; None without one."""
    return next((box.end for box in boxes(source) if _follows(source, box.end)), None)


_ENDS: dict[str, Callable[[_Source], int | None]] = {
    "TIFF": extent.end_of,
    "GIF": lambda source: outline.gif_end(source.held),
    "JP2": _end_of_boxes,
    "AVIF": _end_of_boxes,
    "HEIC": _end_of_boxes,
}


def _follows(source: _Source, place: int) -> bool:
    """Whether a picture begins at `place`."""
    head = source[place : place + _LONGEST_MAGIC]
    return bool(head) and _is_picture(head)


def _rest(source: _Source) -> int:
    """Read to the end of the stream; returns how many bytes are held."""
    while source.more():
        pass
    return len(source)


def _png_length(source: _Source) -> int:
    place = len(SIGNATURE)
    while True:
        source.need(place + 12, "PNG")
        length = int.from_bytes(source.held[place : place + 4], "big")
        kind = source[place + 4 : place + 8]
        if not kind.isalpha():
            raise DecodeError("a chunk of the PNG picture is damaged")
        place += 12 + length
        source.need(place, "PNG")
        if kind == b"IEND":
            return place


def _jpeg_length(source: _Source) -> int:
    place = 2
    while True:
        source.need(place + 2, "JPEG")
        marker = source.held[place + 1]
        if source.held[place] != 0xFF:
            raise DecodeError("the JPEG picture is damaged")
        if marker == markers.END:
            return place + 2
        if marker == 0xFF:
            place += 1
        elif marker in markers.BARE:
            place += 2
        else:
            source.need(place + 4, "JPEG")
            length = int.from_bytes(source.held[place + 2 : place + 4], "big")
            source.need(place + 2 + length, "JPEG")
            if marker == markers.APP2 and source.held[place + 4 : place + 8] == b"MPF\0":
                return _rest(source)  # a camera's file with further pictures, not a stream
            place += 2 + length
            if marker == markers.SCAN:
                place = _scan_end(source, place)


def _scan_end(source: _Source, place: int) -> int:
    """Where the next marker after entropy-coded data begins."""
    while True:
        found = markers.IN_SCAN.search(source.held, place)
        if found:
            return found.end() - 2
        # A marker may straddle two blocks.
        place = max(place, len(source) - 1)
        source.need(len(source) + 1, "JPEG")
