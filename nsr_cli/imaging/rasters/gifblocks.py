"""XMP and the color profile in a GIF file's application extensions, which Pillow does not read.

! FF 0B │ XMP DataXMP │ the packet as it is │ 01 FF FE … 01 00, which leads any reader of blocks to the end │ 00
! FF 0B │ ICCRGBG1012 │ the profile in blocks, each after its length │ 00
"""

from nsr_cli.imaging import limits, outline

_HEAD, _XMP, _ICC = b"!\xff\x0b", b"XMP DataXMP", b"ICCRGBG1012"
_TAIL = 258  # bytes behind an XMP packet


def read(data: bytes) -> dict[str, bytes]:
    """The packet and the profile, under Pillow's names for those of other formats; an overlong packet is left out."""
    found = {}
    for _, start, end in outline.gif_parts(data):
        content = start + len(_HEAD) + len(_XMP)
        name = data[start + len(_HEAD) : content]
        if data[start : start + len(_HEAD)] != _HEAD:
            continue
        if name == _XMP and end - content <= limits.MOST_METADATA:
            found["xmp"] = data[content : end - _TAIL]
        elif name == _ICC:
            found["icc_profile"] = _joined(data[content:end])
    return found


def _joined(blocks: bytes) -> bytes:
    parts, place = [], 0
    while place < len(blocks) and blocks[place]:
        parts.append(blocks[place + 1 : place + 1 + blocks[place]])
        place += 1 + blocks[place]
    return b"".join(parts)
