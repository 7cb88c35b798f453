"""Which resolutions each format can state. A file may claim any, and a microscope's can be beyond all of them."""

_METER = 1 / 0.0254  # in inches
_RECORDS = {
    "PNG": (_METER, 2**31 - 1),
    "BMP": (_METER, 2**31 - 1),
    "JPEG": (1.0, 65_535),
    "WEBP": (1e3, 2**32 - 1),
    "TIFF": (1e9, (2**32 - 1) * 10**9),
}
"""By format: the units that one pixel per inch is, and the greatest number of them that can be stored."""


def stated(dpi: tuple[float, float] | None, kind: str) -> tuple[float, float] | None:
    """`dpi` (across and down) if a format can state it, else None."""
    if dpi is None or kind not in _RECORDS:
        return None
    unit, most = _RECORDS[kind]
    return dpi if all(1 <= value * unit <= most for value in dpi) else None
