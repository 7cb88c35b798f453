"""`Picture`: one decoded picture and everything from its file that the result keeps."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nsr_cli.imaging.color import White
from nsr_cli.shown import counted

Pixels = NDArray[Any]
"""Stored samples: uint8, uint16 or float32."""

XMP_KEY = "XML:com.adobe.xmp"
"""Keyword under which `Metadata.text` holds an XMP packet, as PNG spells it."""

_BITS = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 16, np.dtype(np.float32): 32}


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is kept of a file besides its pixels, independent of the format.

    Each format carries what it can; `codec.losses` names the rest.
    """

    exif: bytes | None = None
    """An EXIF block: a TIFF header and its directories, without the `Exif` prefix of JPEG.

    The orientation has been applied to the pixels and its tag reset; a thumbnail is unlinked."""

    icc: bytes | None = None
    """An ICC profile that describes the pixels as they are (gray or RGB, never CMYK)."""

    dpi: tuple[float, float] | None = None
    """Pixels per inch across and down."""

    text: tuple[tuple[str, str], ...] = ()
    """Keyword and text, in the order of the file; an XMP packet has the keyword `XMP_KEY`."""

    duration: float | None = None
    """Seconds for which a frame of an animation is shown."""

    plays: int | None = None
    """How often an animation is shown, 0 for ever; None for other pictures, or where the file does not say."""

    color: tuple[tuple[str, bytes], ...] = ()
    """Name and content of the PNG chunks that define the samples' colors; see `png.color`."""

    iptc: bytes | None = None
    """IPTC data (IIM): captions, keywords and credits, which JPEG, TIFF and PNG hold in blocks of their own."""

    geo: bytes | None = None
    """The GeoTIFF tags of a file, as `geotiff` packs them."""

    aspect: tuple[float, float] | None = None
    """A pixel's shape, where the file states no `dpi`: so many pixels across are as long as so many down.
    None for square pixels."""

    left_out: tuple[str, ...] = ()
    """Names of what the file has and no result keeps, such as "the Photoshop layers"."""

    @property
    def size(self) -> int:
        """About how many bytes its blocks and texts take."""
        blocks = (self.exif, self.icc, self.iptc, self.geo)
        return sum(len(block) for block in blocks if block) + sum(
            len(key) + len(text) for key, text in self.text
        )

    def stripped(self) -> Self:
        """A copy with only what describes the pixels: colors and resolution."""
        return replace(self, exif=None, text=(), iptc=None, geo=None, left_out=())

    def with_text(self, keyword: str, value: str) -> Self:
        """A copy in which `keyword` has this one value; it takes the place of earlier ones."""
        kept = tuple(pair for pair in self.text if pair[0] != keyword)
        return replace(self, text=(*kept, (keyword, value)))

    def get_text(self, keyword: str) -> str | None:
        """The first text under `keyword`, or None."""
        return next((value for key, value in self.text if key == keyword), None)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture in memory, upright, in gray or RGB.

    Transparency is not premultiplied: color under transparent pixels is whatever the file held.
    Compare the arrays to compare pictures; `==` is identity.
    """

    pixels: Pixels
    """(H, W, C) with C 1 (gray) or 3 (RGB); uint8, uint16, or float32 with black 0 and white 1."""

    alpha: Pixels | None = None
    """(H, W) of the same type, 0 transparent; None for an opaque picture."""

    metadata: Metadata = field(default_factory=Metadata)

    source: str = ""
    """Name of the format it was read from, such as "PNG"; empty if it was made here."""

    notes: tuple[str, ...] = ()
    """What the user should know about the reading, such as "1 extra channel left out"."""

    span: tuple[float, float] = (0.0, 1.0)
    """For float pictures: the stored values that black and white had in the file."""

    first_of: int = 1
    """How many pages or frames the file has, if only this first one is read."""

    white: White | None = None
    """White of 16-bit pixels where it is not 65535; opaque alpha is 65535 all the same. See `whites`."""

    is_apart: bool = False
    """Whether it is not a frame but the still picture of an animated PNG, for programs without animation."""

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype not in _BITS or len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape:
            raise ValueError(f"pixels of type {self.pixels.dtype} and shape {shape} make no picture")
        if self.alpha is not None and (self.alpha.dtype, self.alpha.shape) != (self.pixels.dtype, shape[:2]):
            raise ValueError(f"alpha {self.alpha.dtype} {self.alpha.shape} does not fit pixels {shape}")

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    @property
    def channels(self) -> int:
        """1 for gray, 3 for RGB; alpha is not counted."""
        return int(self.pixels.shape[2])

    @property
    def samples(self) -> int:
        """Samples of a pixel: its channels, and alpha where there is one."""
        return self.channels + (self.alpha is not None)

    @property
    def bits(self) -> int:
        """Bits of one sample: 8, 16, or 32 for floating point."""
        return _BITS[self.pixels.dtype]

    @property
    def is_gray(self) -> bool:
        """Whether it has one color channel."""
        return self.channels == 1

    @property
    def is_float(self) -> bool:
        """Whether samples are floating point."""
        return self.bits == 32

    @property
    def stored(self) -> Pixels:
        """The samples as files hold them: (H, W), or (H, W, S) with alpha last."""
        if self.alpha is not None:
            return np.concatenate([self.pixels, self.alpha[..., np.newaxis]], axis=2)
        return self.pixels[..., 0] if self.is_gray else self.pixels

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and what the user should know of `white` and `first_of`."""
        notes = self.notes
        if self.white is not None:
            told = f"its white is taken to be {self.white.value}, not 65535: no sample lies above"
            notes = (*notes, f"{told}, and levels of noise count within")
        if self.first_of == 1:
            return notes
        others = "pages" if self.source == "TIFF" else "frames"
        if self.is_apart:
            others = f"pictures, the still one beside {counted(self.first_of - 1, 'frame')}"
        return *notes, f"first of {self.first_of} {others}"

    def result_bytes(self, width: int, height: int) -> int:
        """Bytes of the samples of a result of this size with the depth, channels and alpha of this picture."""
        return width * height * self.samples * self.bits // 8

    def with_pixels(self, pixels: Pixels, alpha: Pixels | None) -> Self:
        """A copy with other samples and all else the same; `white` is dropped if their type differs."""
        white = self.white if pixels.dtype == self.pixels.dtype else None
        return replace(self, pixels=pixels, alpha=alpha, white=white)

    def with_notes(self, *notes: str) -> Self:
        """A copy with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def with_metadata(self, metadata: Metadata) -> Self:
        """A copy with other metadata."""
        return replace(self, metadata=metadata)
