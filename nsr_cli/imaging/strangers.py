"""Formats that turn up among pictures but are not read here, recognized by their first bytes.

HEIC is one of them where pillow-heif is not installed.
"""

_RAW, _VIDEO, _HEIC = "a camera raw file", "a video", "a HEIC file"
_HEADS = {
    b"\xff\x0a": "a JPEG XL file",
    b"\0\0\0\x0cJXL \r\n\x87\n": "a JPEG XL file",
    b"\0\0\0\x0cjP  \r\n\x87\n": "a JPEG 2000 video or document",
    b"8BPS": "a Photoshop file",
    b"8BPB": "a Photoshop file",
    b"gimp xcf ": "a GIMP file",
    b"v/1\x01": "an OpenEXR file",
    b"#?RADIANCE": "a Radiance HDR file",
    b"#?RGBE": "a Radiance HDR file",
    b"%PDF-": "a PDF file",
    b"FUJIFILMCCD-RAW": _RAW,
    b"IIU\0": _RAW,  # Panasonic
    b"IIRO": _RAW,  # Olympus
    b"IIRS": _RAW,
    b"MMOR": _RAW,
    b"FOVb": _RAW,  # Sigma
    b"\x1aE\xdf\xa3": _VIDEO,  # Matroska, WebM
}
_BRANDS = {  # of files in boxes, ISO 14496-12
    b"heic": _HEIC,
    b"heix": _HEIC,
    b"hevc": "an animated HEIC file",
    b"mif1": "a HEIF file",
    b"msf1": "a HEIF file",
    b"crx ": _RAW,  # Canon
    b"qt  ": _VIDEO,
    b"avc1": _VIDEO,
    b"dash": _VIDEO,
    b"f4v ": _VIDEO,
    b"F4V ": _VIDEO,
    b"mmp4": _VIDEO,
    b"MSNV": _VIDEO,
    b"XAVC": _VIDEO,
}
_VIDEO_FAMILIES = (b"iso", b"mp4", b"mp7", b"M4V", b"3gp", b"3g2")  # the starts of brands that have a number
_TO_DO = {
    _RAW: "develop it to TIFF first",
    _HEIC: "install pillow-heif with pip, or convert it to PNG or TIFF first",
    _VIDEO: "take its frames out first, for example with ffmpeg",
}
LONGEST = 4096
"""How many bytes at the start of a file tell what it is: `<svg` may stand behind comments."""


def advice(data: bytes) -> str | None:
    """What a file of one of these formats is, and what to do with it; None for all others."""
    name = _name_of(data[:LONGEST])
    return (
        name
        and f"it is {name}, which is not read here; {_TO_DO.get(name, 'convert it to PNG or TIFF first')}"
    )


def is_picture(data: bytes) -> bool:
    """Whether a file is of one of these formats, but not a video."""
    return _name_of(data[:LONGEST]) not in (None, _VIDEO)


def _name_of(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return _VIDEO if head[8:11] in _VIDEO_FAMILIES else _BRANDS.get(head[8:12])
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _VIDEO
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and b"<svg" in head:
        return "an SVG file"
    return next((name for start, name in _HEADS.items() if head.startswith(start)), None)
