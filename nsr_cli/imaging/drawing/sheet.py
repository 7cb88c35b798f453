"""Drawing for pictures that explain pictures: text, frames and small views on a light sheet.

Text is in Pillow's own font, which every machine has; it knows Latin letters, but neither Greek nor "×".
"""

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from nsr_cli.imaging.color import from_unit, to_unit

Color = tuple[int, int, int]
Box = tuple[int, int, int, int]  # left, top, right, bottom

PAPER: Color = (250, 250, 249)
INK: Color = (28, 28, 30)
FAINT: Color = (105, 105, 110)
LINE: Color = (214, 214, 216)
ACCENT: Color = (230, 0, 90)


def rgb8(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Stored samples (H, W, C), C 1 or 3, of any depth as 8-bit RGB (H, W, 3)."""
    small = pixels if pixels.dtype == np.uint8 else from_unit(to_unit(pixels).clip(0, 1), np.uint8)
    return np.repeat(small, 3, axis=2) if small.shape[2] == 1 else small


def fitted(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height in the same proportions, at least 1, the longer one being `side`."""
    factor = side / max(width, height)
    return max(1, round(width * factor)), max(1, round(height * factor))


def view(pixels: NDArray[np.uint8], width: int, height: int) -> Image.Image:
    """(H, W, 3) at another size: averaged where it shrinks, pixels repeated where it grows."""
    grows = width >= pixels.shape[1]
    method = Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS
    return Image.fromarray(pixels).resize((width, height), method, reducing_gap=3.0)


def columns(count: int, width: int, height: int) -> int:
    """In how many columns to put `count` tiles of one size: up to four stand side by side.

    More form a block of about 3:2, a column wider or narrower where that leaves fewer places empty.
    """
    if count <= 4:
        return count
    best = math.sqrt(1.5 * count * height / width)
    near = [cols for cols in range(round(best) - 1, round(best) + 2) if 1 <= cols <= count]
    return min(near or [count], key=lambda cols: (-count % cols, abs(cols - best)))


class Sheet:
    """A light sheet of paper to draw on; positions are pixels from its top left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width, height), PAPER)
        self._draw: Any = ImageDraw.Draw(self.image)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The sheet as drawn so far, (H, W, 3)."""
        return np.asarray(self.image)

    def text(self, left: int, top: int, text: str, room: int, size: int = 14, color: Color = INK) -> int:
        """Write one line of at most `room` pixels, shortened in the middle if need be; return its width."""
        shown = shortened(text, room, size)
        self._draw.text((left, top), shown, color, _font(size), "la")
        return text_width(shown, size)

    def paste(self, picture: Image.Image, left: int, top: int) -> None:
        """Put a picture on the sheet with a thin frame around it."""
        self.frame((left - 1, top - 1, left + picture.width + 1, top + picture.height + 1), LINE)
        self.image.paste(picture, (left, top))

    def fill(self, box: Box, color: Color) -> None:
        """Fill the box, without its right and bottom edges."""
        self.image.paste(color, box)

    def frame(self, box: Box, color: Color, width: int = 1) -> None:
        """Draw the box's border inside it."""
        left, top, right, bottom = box
        if right > left and bottom > top:
            self._draw.rectangle((left, top, right - 1, bottom - 1), outline=color, width=width)


def text_width(text: str, size: int) -> int:
    """The width of a line in pixels."""
    width: float = _font(size).getlength(text)
    return round(width)


def shortened(text: str, room: int, size: int) -> str:
    """The text, or its beginning and end with "…" between them so that it takes at most `room` pixels."""
    if text_width(text, size) <= room:
        return text
    for kept in range(len(text) - 1, 0, -1):
        tail = kept // 2
        candidate = text[: kept - tail] + "…" + text[len(text) - tail :]
        if text_width(candidate, size) <= room:
            return candidate
    return ""


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)
