"""Write several pictures as one animated GIF, WebP or PNG, through Pillow."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nsr_cli.imaging.metadata import sizes
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.png import write as pngwrite
from nsr_cli.imaging.rasters import write

FORMATS = frozenset({"GIF", "WEBP", "PNG"})
_FRAMES_ALONE = FORMATS - {"PNG"}
_FRAME_SECONDS = 0.1  # for a frame that states no duration
_MOST_PLAYS = 65_535  # the greatest number in GIF and WebP


def shown(pictures: Sequence[Picture], kind: str) -> Sequence[Picture]:
    """The pictures without a still one beside the frames, unless the format can hold it apart from them."""
    return pictures[1:] if kind in _FRAMES_ALONE and len(pictures) > 1 and pictures[0].is_apart else pictures


def encode(frames: Sequence[Picture], kind: str, quality: int | None) -> bytes:
    """An animation of 8-bit frames of one size with the metadata of the first; without `plays` it loops for ever.

    In a PNG the first picture may stand apart from the frames.
    """
    first, lasting = frames[0], frames[1:] if frames[0].is_apart else frames
    images = [write.image_of(frame) for frame in _alike(frames)]
    options: dict[str, Any] = {
        "save_all": True,
        "append_images": images[1:],
        "duration": [round(1000 * (frame.metadata.duration or _FRAME_SECONDS)) for frame in lasting],
        **_loop(min(first.metadata.plays or 0, _MOST_PLAYS), kind),
    }
    if kind == "GIF":
        options["disposal"] = 2 if any(frame.alpha is not None for frame in frames) else 1
        options |= write.gif_options(first.metadata)
    if kind == "WEBP":
        options |= write.webp_options(sizes.stated(first), quality)
    if kind == "PNG":
        options["default_image"] = first.is_apart
    stored = write.save(images[0], kind, **options)
    return pngwrite.with_metadata(stored, first) if kind == "PNG" else stored


def _loop(plays: int, kind: str) -> dict[str, int]:
    """Pillow's option for how often an animation is shown: GIF counts repetitions, and says nothing for one showing."""
    if kind != "GIF" or plays == 0:
        return {"loop": plays}
    return {"loop": plays - 1} if plays > 1 else {}


def _alike(frames: Sequence[Picture]) -> list[Picture]:
    """The frames brought to the same channels: all gray or RGB, and all with alpha or none."""
    color = any(not frame.is_gray for frame in frames)
    clear = any(frame.alpha is not None for frame in frames)
    found = []
    for frame in frames:
        pixels = np.repeat(frame.pixels, 3, axis=2) if color and frame.is_gray else frame.pixels
        alpha = frame.alpha
        if clear and alpha is None:
            alpha = np.full(pixels.shape[:2], 255, dtype=np.uint8)
        found.append(replace(frame, pixels=pixels, alpha=alpha))
    return found
