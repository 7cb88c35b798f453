"""What a format cannot hold of a picture, in words for the user before it is lost."""

from collections.abc import Iterator, Sequence

from nsr_cli.imaging.metadata import density, exif, geotiff, iptc, profile, sizes, xmp
from nsr_cli.imaging.picture import Picture
from nsr_cli.imaging.png import color as pngcolor
from nsr_cli.imaging.rasters import animation
from nsr_cli.imaging.rasters import write as rasterwrite

BITS = {"JPEG": 8, "WEBP": 8, "BMP": 8, "GIF": 8, "PNG": 16, "PPM": 16, "TIFF": 32}
"""Bits of a sample that each format holds at most."""

_BARE = ("BMP", "GIF", "PPM")  # no EXIF, profile or texts
_SHAPED = ("JPEG", "PNG", "TIFF")  # can state a pixel's aspect ratio
_IPTC = ("JPEG", "PNG", "TIFF")


def losses(picture: Picture, kind: str, quality: int | None = None) -> tuple[str, ...]:
    """What a format will not keep of a picture, a phrase for each loss; empty if it keeps everything."""
    return tuple(dict.fromkeys(_losses(picture, kind, quality, BITS[kind])))


def losses_of_pages(pages: Sequence[Picture], kind: str, quality: int | None = None) -> tuple[str, ...]:
    """`losses` of all pages or frames of one file, each phrase once."""
    animated = len(pages) > 1 and kind in animation.FORMATS
    kept = animation.shown(pages, kind)
    found = [loss for page in kept for loss in _losses(page, kind, quality, 8 if animated else BITS[kind])]
    if len(pages) > 1 and not animated and any(page.metadata.duration for page in pages):
        found.append("frame durations are left out")
    if len(kept) < len(pages):
        found.append("the still picture beside the animation is left out")
    return tuple(dict.fromkeys(found))


def _losses(picture: Picture, kind: str, quality: int | None, bits: int) -> list[str]:
    found = []
    if picture.bits > bits:
        found.append(f"{'float' if picture.is_float else '16-bit'} samples become {bits}-bit")
    if kind == "GIF" and not (picture.is_gray and picture.alpha is None):
        found.append("colors are reduced to 256")
    if kind == "GIF" and picture.alpha is not None:
        found.append("transparency becomes on or off")
    if kind == "JPEG" or (kind == "WEBP" and quality is not None):
        found.append("compression is lossy")
    return [*found, *map(_is_left_out, _missing(picture, kind)), *_color_losses(picture, kind)]


def _missing(picture: Picture, kind: str) -> Iterator[str]:
    """Names of the metadata that will be missing."""
    meta = sizes.stated(picture)
    if meta.exif is not None and (
        kind in _BARE or (kind == "JPEG" and not rasterwrite.fits_jpeg_exif(meta.exif))
    ):
        yield "EXIF"
    elif meta.exif is not None and kind == "TIFF" and meta.icc is None and exif.is_adobe_rgb(meta.exif):
        yield exif.ADOBE_RGB_NAME
    if meta.icc is not None and (kind in _BARE or not profile_fits(picture, kind)):
        yield "the color profile"
    if meta.dpi is not None and density.stated(meta.dpi, kind) is None:
        yield "the resolution in DPI"
    if meta.aspect is not None and kind not in _SHAPED:
        yield density.RATIO_NAME
    if not _keeps_texts(meta.text, kind):
        yield "texts"
    if meta.iptc is not None and (kind not in _IPTC or (kind == "JPEG" and not iptc.fits_jpeg(meta.iptc))):
        yield iptc.NAME
    if meta.geo is not None and not (
        kind == "TIFF" and geotiff.unpack(meta.geo, picture.width, picture.height)
    ):
        yield geotiff.NAME
    yield from meta.left_out


def _keeps_texts(text: tuple[tuple[str, str], ...], kind: str) -> bool:
    others = tuple(pair for pair in text if pair[0] != "Comment")
    if kind in _BARE:  # GIF has a place for a comment and none for other texts
        return not (others if kind == "GIF" else text)
    if kind == "JPEG":
        packet = xmp.pack(text)
        return packet is None or (xmp.holds(others) and rasterwrite.fits_jpeg_xmp(packet))
    return kind == "PNG" or xmp.holds(text)


def _color_losses(picture: Picture, kind: str) -> list[str]:
    names = pngcolor.decisive(picture.metadata.color, profile=picture.metadata.icc is not None)
    if kind == "PNG" or not names:
        return []
    return [f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} left out: colors may look different"]


def _is_left_out(name: str) -> str:
    return f"{name} {'are' if name.endswith('s') else 'is'} left out"


def profile_fits(picture: Picture, kind: str) -> bool:
    """Whether the picture's profile, which it must have, describes the samples that a format stores."""
    # WebP stores gray as RGB, which a gray profile does not describe.
    channels = 3 if kind == "WEBP" else picture.channels
    return profile.channels_of(picture.metadata.icc or b"") == channels
