"""Results on one self-contained HTML page: a slider between any two, and all of them below.

The pictures are in the page as data: URIs, and its policy forbids it to load anything. The state of the slider
is the page's fragment, `#left=0&right=1&at=50&zoom=2`, so that a view can be saved as a link.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from nsr_cli.compare.results import Region, Result
from nsr_cli.compare.sheet import Caption, overview
from nsr_cli.imaging.codec import encode
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.shown import safe_text

_OVERVIEW = 320  # longer side of the small picture that shows where the region lies
_ROOM = 720  # pixels that a region is enlarged to fill, by a whole factor


def render(
    results: Sequence[Result],
    region: Region,
    pair: tuple[int, int],
    caption: Caption,
    icc: bytes | None = None,
) -> bytes:
    """The page in UTF-8.

    Args:
        results: at least one; labels may hold anything.
        region: the part of each that is shown.
        pair: the two between which the slider is at first.
        caption: title, and what to know about the comparison.
        icc: RGB color profile of the pixels.
    """
    zoom = max(1, min(4, _ROOM // max(region.width, region.height)))
    return _filled(
        {
            "TITLE": _text(caption.title),
            "DETAIL": _text(caption.detail),
            "FIGURES": "\n".join(_figure(i, one, region, icc) for i, one in enumerate(results)),
            "OPTIONS": "".join(
                f'<option value="{i}">{_text(one.label)}</option>' for i, one in enumerate(results)
            ),
            "OVERVIEW": _uri(overview(results[0].pixels, region, _OVERVIEW), icc),
            "LEFT": str(pair[0]),
            "RIGHT": str(pair[1]),
            "ZOOM": str(zoom),
            "WIDTH": str(region.width),
            "HEIGHT": str(region.height),
        }
    ).encode()


def _filled(values: Mapping[str, str]) -> str:
    """The template with each `{{NAME}}` replaced; names inside of values are not replaced."""
    text = (resources.files("nsr_cli.compare") / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda name: values[name[1]], text)


def _figure(index: int, result: Result, region: Region, icc: bytes | None) -> str:
    label = _text(result.label)
    uri = _uri(region.cut(result.pixels), icc)
    return (
        f'<figure><img id="result{index}" src="{uri}" width="{region.width}" height="{region.height}" '
        f'alt="{label}"><figcaption>{label}</figcaption></figure>'
    )


def _uri(pixels: NDArray[np.uint8], icc: bytes | None) -> str:
    data = encode(Picture(np.ascontiguousarray(pixels), metadata=Metadata(icc=icc)), "PNG")
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def _text(text: str) -> str:
    return escape(safe_text(text), quote=True)
