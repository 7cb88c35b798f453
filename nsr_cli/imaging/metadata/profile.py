"""ICC profiles: whether one fits the pixels, and CMYK to RGB."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SPACES = {b"GRAY": 1, b"RGB ": 3, b"CMYK": 4}
_HEADER = 128


def channels_of(icc: bytes) -> int | None:
    """Channels of the pixels that a profile describes: 1, 3 or 4; None for other profiles and invalid bytes."""
    if len(icc) < _HEADER or icc[36:40] != b"acsp":
        return None
    return _SPACES.get(icc[16:20])


def fitting(icc: bytes | None, channels: int) -> tuple[bytes | None, tuple[str, ...]]:
    """The profile if it describes pixels with `channels` channels, else None with a note."""
    if not icc:
        return None, ()
    described = channels_of(icc)
    if described == channels:
        return icc, ()
    wanted = "gray" if channels == 1 else "RGB"
    if described is None:
        return None, (f"its color profile is damaged, or not for {wanted}: left out",)
    kinds = {1: "gray", 3: "RGB", 4: "CMYK"}
    return None, (f"its color profile is {kinds[described]}, not {wanted}: left out",)


def cmyk_to_rgb(ink: NDArray[Any], icc: bytes | None) -> tuple[NDArray[Any], tuple[str, ...]]:
    """CMYK (H, W, 4), full ink at the type's maximum, to sRGB (H, W, 3) of the same type, with notes.

    uint8 and uint16 are converted through the embedded profile if it is valid. Otherwise, and for float,
    each color is (1 - ink) (1 - black).
    """
    if icc and ink.dtype != np.float32 and channels_of(icc) == 4:
        try:
            return _through_profile(ink, icc), ("CMYK converted to sRGB through its profile",)
        except Exception as error:  # noqa: BLE001 - littlecms reports damaged profiles in many ways
            reason = type(error).__name__
            return _plain(ink), (f"CMYK converted to RGB without its damaged profile ({reason})",)
    return _plain(ink), ("CMYK converted to RGB without a profile",)


def _through_profile(ink: NDArray[Any], icc: bytes) -> NDArray[Any]:
    from PIL import Image, ImageCms

    target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    if ink.dtype == np.uint8:
        converted = ImageCms.profileToProfile(
            Image.fromarray(ink, "CMYK"),
            ImageCms.ImageCmsProfile(io.BytesIO(icc)),
            target,
            renderingIntent=intent,
            outputMode="RGB",
            flags=flags,
        )
        return np.array(converted)
    import imagecodecs

    rgb: NDArray[Any] = imagecodecs.cms_transform(
        np.ascontiguousarray(ink),
        icc,
        target.tobytes(),
        colorspace="cmyk",
        outcolorspace="rgb",
        intent=intent,
        flags=flags,
    )
    return rgb


def _plain(ink: NDArray[Any]) -> NDArray[Any]:
    peak = 1.0 if ink.dtype == np.float32 else float(np.iinfo(ink.dtype).max)
    paper = 1 - ink.astype(np.float32) / np.float32(peak)
    rgb = paper[..., :3] * paper[..., 3:] * np.float32(peak)
    return rgb if ink.dtype == np.float32 else np.rint(rgb).astype(ink.dtype)
