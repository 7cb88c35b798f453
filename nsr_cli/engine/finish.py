"""The steps around the networks: the colors that they are given, and the picture made of their result."""

from nsr_cli.engine.arrays import Unit, blended
from nsr_cli.engine.clipping import is_clipped, spread_excess
from nsr_cli.imaging.alpha import bleed, resized_alpha
from nsr_cli.imaging.color import from_unit
from nsr_cli.imaging.picture import Picture, Pixels


def visible_color(picture: Picture) -> Pixels:
    """Stored samples (H, W, C), with transparent pixels in the color of the visible ones around them."""
    return picture.pixels if picture.alpha is None else bleed(picture.pixels, picture.alpha)


def finished(picture: Picture, plain: Unit, made: Unit, strength: float) -> Picture:
    """The networks' result as a picture of the same depth, transparency and metadata.

    Args:
        picture: the one that was restored.
        plain: its pixels (H, W, C) as the networks got them.
        made: (sH, sW, C), not clipped; it is overwritten.
        strength: as for `blended`.
    """
    if is_clipped(picture.pixels.dtype):
        spread_excess(made, 1.0 if picture.white is None else picture.white.limit)
    out = blended(plain, made, strength)
    alpha = resized_alpha(picture.alpha, *out.shape[:2])
    return picture.with_pixels(from_unit(out, picture.pixels.dtype, picture.white), alpha)
