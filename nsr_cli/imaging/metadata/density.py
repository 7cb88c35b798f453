"""Which resolutions the formats can state; a file may claim any, and one of a microscope can be beyond them."""

_METER = 1 / 0.0254  # in inches
_RECORDS = {
    "PNG": (_METER, 2**31 - 1),
    "BMP": (_METER, 2**31 - 1),
    "JPEG": (1.0, 65_535),
    "WEBP": (1e3, 2**32 - 1),
    "TIFF": (1e9, (2**32 - 1) * 10**9),
}
"""By format: the integers that it counts in, for one pixel per inch, and the greatest of them."""


def stated(dpi: tuple[float, float] | None, kind: str) -> tuple[float, float] | None:
    """Pixels per inch across and down as a format can state them; None if it cannot, or there are none."""
    if dpi is None or kind not in _RECORDS:
        return None
    unit, most = _RECORDS[kind]
    return dpi if all(1 <= value * unit <= most for value in dpi) else None
