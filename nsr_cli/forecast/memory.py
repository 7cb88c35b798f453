"""How a picture goes through a run within the memory limit, how much it takes, and when it cannot fit at all.

`route` decides what a run does, what it refuses and what a dry run predicts; `route_pages` does so for a file of
several pages or frames. These are decoded together and restored whole, one after the other. Results that become pages
of a TIFF are compressed at once, and then freed; frames are compressed together. If the pages of a TIFF are too many
for that, they are also decoded one by one, in bands.

             decoding                computing                   encoding
    whole    the file, the picture   the picture, the result     the result, its file
    bands    the same, or some rows  the same, or some rows;     some rows
                                     tiles
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nsr_cli.errors import MemoryExhausted
from nsr_cli.forecast import features
from nsr_cli.machine import free_memory, memory_budget
from nsr_cli.model.footprint import FLOAT_BYTES
from nsr_cli.planning.settings import Settings
from nsr_cli.shown import counted

ROW_FORMATS = frozenset({"PNG", "TIFF"})
"""Formats that are written row by row."""

_UNITS = ((1 << 30, "GiB"), (10**9, "GB"), (1 << 20, "MiB"), (10**6, "MB"), (1 << 10, "KiB"), (10**3, "kB"))
_UTMOST = 0.9  # the largest share of the free memory that is used
# Bytes of a finished file and of what it is made from, for each byte of samples. Pillow keeps four bytes for a pixel
# of three; losslessly compressed photographs take about six tenths, twice that while metadata are inserted.
_FILE = {"JPEG": 1.9, "WEBP": 5.0, "BMP": 2.4, "GIF": 3.0, "PPM": 2.0}
_PACKED_FILE = 1.3
_PACKED_PAGE = 0.9  # the same for a compressed page of a TIFF: there may be many, and noise compresses badly
# The same for frames: all are copied before they are compressed, and again while the finished file is read.
_FRAMES_FILE = {"PNG": 5.0, "WEBP": 7.0, "GIF": 5.0}
_WRITING = 48 << 20  # bytes for rows that are being compressed, and the like
_FILES = 3  # how often a file is in memory while the picture is made from it
_COPIES = 4  # how often a picture is in memory while its file is decoded
_MORE_COPIES = {"JP2": 6, "AVIF": 7, "HEIC": 6}
_CLEAR_ROWS = 192  # read to find the color of transparent pixels


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes that decide how much memory a picture takes."""

    size: tuple[int, int]
    out_size: tuple[int, int]
    samples: int
    """Samples of a pixel, alpha included."""
    depth: int
    """Bytes of one sample."""
    file: int = 0
    """Bytes of the picture's file."""
    copies: int = _COPIES
    """How often the picture is in memory while its file is decoded; see `copies_of`."""

    @property
    def colors(self) -> int:
        """Channels of a pixel, without alpha."""
        return 1 if self.samples < 3 else 3

    @property
    def stored(self) -> int:
        """Bytes of the picture as it is decoded."""
        return self._count(self.size) * self.depth

    @property
    def result(self) -> int:
        """Bytes of the finished samples."""
        return self._count(self.out_size) * self.depth

    @property
    def floats(self) -> int:
        """Bytes of the picture and its result as float, if it is restored in one piece."""
        return 2 * FLOAT_BYTES * (self._count(self.size) + self._count(self.out_size))

    def _count(self, size: tuple[int, int]) -> int:
        return size[0] * size[1] * self.samples


@dataclass(frozen=True, slots=True)
class Ends:
    """The two ends of a picture's way, its file and its result, and which of them can go row by row."""

    form: str
    """The format of the result."""
    read: bool
    """Whether the file can be decoded in bands."""
    written: bool
    """Whether the result can be encoded in bands."""
    why: str = ""
    """What prevents decoding in bands, as words to follow "it has"."""
    tiff: bool = False
    """Whether the file is a TIFF file, even if it cannot be decoded in bands."""


@dataclass(frozen=True, slots=True)
class Route:
    """How a picture goes through a run."""

    bands: bool
    """Whether it goes row by row from the network on; else the whole result is in memory."""
    room: int
    """Bytes for rows and tiles, if it goes in bands."""
    peak: int
    """About the most bytes that it takes, without libraries and weights."""


def copies_of(kind: str) -> int:
    """`Sizes.copies` of pictures in a format."""
    return _MORE_COPIES.get(kind, _COPIES)


def allowed(settings: Settings) -> int:
    """Bytes that a picture may take: the limit asked for, or half of what is free."""
    return memory_budget(settings.max_memory, free_memory)


def in_one_piece(sizes: Sizes) -> int:
    """Bytes that a picture takes if nothing is done in bands, without the network's features."""
    return sizes.stored + sizes.result + sizes.floats


def route(sizes: Sizes, settings: Settings, ends: Ends) -> Route:
    """How a picture goes from one end to the other.

    Raises:
        MemoryExhausted: it takes too much memory in any way.
    """
    budget = allowed(settings)
    if in_one_piece(sizes) <= budget:
        return Route(False, 0, max(_decoding(sizes), _whole(sizes, ends.form, settings, budget)))
    if ends.written:
        return _in_bands(sizes, settings, ends)
    tiles = _tiles(sizes, settings)
    computing = sizes.stored + sizes.result + tiles
    if settings.tta or settings.task == "auto":
        computing = sizes.stored + sizes.floats
    needed = max(_decoding(sizes), computing, _packing(sizes, ends.form))
    _check_one(needed, sizes, settings, ends)
    return Route(False, 0, max(needed, _whole(sizes, ends.form, settings, budget)))


def _in_bands(sizes: Sizes, settings: Settings, ends: Ends) -> Route:
    """The route of a picture whose result is written in bands. Raises as `route`."""
    budget, held = allowed(settings), _held(sizes, read=ends.read)
    room = max(budget - held - _WRITING, (budget - held) // 2)
    _check_one(_least_in_bands(sizes, settings, read=ends.read), sizes, settings, ends)
    return Route(True, room, max(budget, 0 if ends.read else _decoding(sizes)))


def _held(sizes: Sizes, *, read: bool) -> int:
    """Bytes in memory all the time while a picture goes in bands, which `read` says of its file too."""
    return _clearing(sizes) + (0 if read else sizes.stored)


def _least_in_bands(sizes: Sizes, settings: Settings, *, read: bool) -> int:
    """The fewest bytes that a picture takes whose result is written in bands."""
    tiles = _tiles(sizes, settings)
    computing = _held(sizes, read=read) + tiles + min(_WRITING, tiles)
    return computing if read else max(_decoding(sizes), computing)


def _tiles(sizes: Sizes, settings: Settings) -> int:
    """The fewest bytes that rows, tiles and the network's features take."""
    return features.least(settings, sizes.size, sizes.colors, sizes.depth)


def fits(pages: Sequence[Sizes], form: str, settings: Settings) -> bool:
    """Whether all pages of a file can be in memory, with nothing done in bands."""
    needed = in_one_piece(pages[0]) if len(pages) == 1 else _together(pages, form, settings)
    return needed <= allowed(settings)


def route_pages(pages: Sequence[Sizes], settings: Settings, ends: Ends) -> Route:
    """How the pages or frames of one file go; a single one as in `route`.

    Of the first page `file` counts; `ends` are those of all pages together.

    Raises:
        MemoryExhausted: they take too much memory.
    """
    if len(pages) == 1:
        return route(pages[0], settings, ends)
    if ends.form == "TIFF" and ends.read and ends.written and not fits(pages, ends.form, settings):
        routes = [_in_bands(page, settings, ends) for page in dict.fromkeys(pages)]
        return min(routes, key=lambda one: one.room)
    needed = _together(pages, ends.form, settings)
    largest = max((page.size for page in pages), key=lambda size: size[0] * size[1])
    what = f"{len(pages)} pictures of up to {largest[0]}x{largest[1]} pixels and their results"
    advice = "allow more, or split the file"
    if ends.why:
        advice = f"a page has {ends.why}, so they cannot be restored one by one; {advice}"
    _check(needed, what, advice, settings)
    return Route(False, 0, needed)


def _together(pages: Sequence[Sizes], form: str, settings: Settings) -> int:
    """Bytes of several pages or frames that are decoded together."""
    stored, result = sum(page.stored for page in pages), sum(page.result for page in pages)
    copies = pages[0].copies - 1
    decoding = stored + copies * max(page.stored for page in pages) + _FILES * pages[0].file
    share = _PACKED_PAGE if form == "TIFF" else 1.0  # of each result, in memory until all are done
    computing = _one_by_one(pages, share, settings)
    packing = int(share * result) if form == "TIFF" else result + int(_FRAMES_FILE.get(form, 0) * result)
    return max(decoding, computing, packing)


def _one_by_one(pages: Sequence[Sizes], share: float, settings: Settings) -> int:
    """Bytes while pages are restored: a share of the results so far, and the stored samples of those to come."""
    budget, each, most = allowed(settings), dict[Sizes, int](), 0
    held = sum(page.stored for page in pages)
    for page in pages:
        if page not in each:
            packing = page.result + int(_PACKED_FILE * page.result) if share < 1 else 0
            each[page] = max(_computing(page, settings, budget), packing)
        most = max(most, held - page.stored + each[page])
        held += int(share * page.result) - page.stored
    return most


def _decoding(sizes: Sizes) -> int:
    return sizes.copies * sizes.stored + _FILES * sizes.file


def _packing(sizes: Sizes, form: str) -> int:
    return sizes.result + int(_FILE.get(form, _PACKED_FILE) * sizes.result)


def _clearing(sizes: Sizes) -> int:
    """Bytes of the rows in which the color under transparency is found."""
    if sizes.samples not in (2, 4):
        return 0
    return _CLEAR_ROWS * sizes.size[0] * sizes.samples * (6 + 2 * sizes.depth)


def _whole(sizes: Sizes, form: str, settings: Settings, budget: int) -> int:
    """Bytes of a picture whose result is in memory, for restoring, in one piece if that fits, and encoding."""
    return max(_computing(sizes, settings, budget), _packing(sizes, form))


def _computing(sizes: Sizes, settings: Settings, budget: int) -> int:
    """Bytes for restoring a picture whose result is in memory: at most `budget`, if tiles can be made."""
    samples = sizes.result // sizes.depth
    inside = features.computing(settings, sizes.size, sizes.colors)
    computing = sizes.stored + max(inside, samples * FLOAT_BYTES + sizes.result)
    return computing if settings.tta else min(computing, budget)


def _check_one(needed: int, sizes: Sizes, settings: Settings, ends: Ends) -> None:
    """MemoryExhausted if a picture needs more memory than there is."""
    what = f"{sizes.size[0]}x{sizes.size[1]} pixels and their result"
    _check(needed, what, _advice(sizes, settings, ends), settings)


def _limit(settings: Settings) -> int:
    """Bytes above which a picture is refused."""
    return settings.max_memory or int(_UTMOST * free_memory())


def _check(needed: int, what: str, advice: str, settings: Settings) -> None:
    """MemoryExhausted if `needed` bytes are more than there are."""
    most = _limit(settings)
    if needed <= most:
        return
    if settings.max_memory:
        limit = f"--max-memory allows {_exact(most)}"
        decimal = "iB" not in limit  # in the same unit, so that the number can be given as it is
    else:
        limit, decimal = f"only {most >> 20} MiB is free", False
    least = f"{-(-needed // 10**6)} MB" if decimal else f"{-(-needed >> 20)} MiB"
    raise MemoryExhausted(f"{what} take at least {least} of memory, but {limit}: {advice}")


def _advice(sizes: Sizes, settings: Settings, ends: Ends) -> str:
    """What to do about a picture that does not fit; another format only if it fits then."""
    if ends.why:
        return f"it has {ends.why}, so it cannot be restored in bands; allow more, or cut it into parts"
    rows = ends.form in ROW_FORMATS
    read = rows or ends.read or ends.tiff  # as it would be after the advice
    fitting = _least_in_bands(sizes, settings, read=read) <= _limit(settings)
    if fitting and settings.task != "auto" and not settings.tta:
        if not rows:
            return "allow more, or use TIFF or PNG, which are written in bands (--format tiff)"
        if ends.written and not ends.read and not ends.tiff:
            return "allow more, or convert it to TIFF, which is also read in bands"
    return "allow more, or cut it into parts"


def _exact(count: int) -> str:
    """A number of bytes in the largest unit that divides it."""
    for size, unit in _UNITS:
        if count % size == 0:
            return f"{count // size} {unit}"
    return counted(count, "byte")
