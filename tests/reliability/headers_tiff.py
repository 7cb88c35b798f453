"""TIFF files whose directories break decoders: one impossible, lying or endless statement each."""

import struct
import zlib
from collections.abc import Iterator

WIDTH, HEIGHT = 24, 16
NONSENSE = bytes(range(7, 250, 3)) * 4
LARGEST = 0xFFFFFFFF
BODY = bytes(WIDTH * HEIGHT * 4)
Tag = tuple[int, int, int, int]
"""Number, type, count, and value or position."""


def tiff(tags: list[Tag], body: bytes = b"", *, following: int = 0, order: str = "<") -> bytes:
    """A TIFF file of one directory; `body` begins right after it."""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    rows = b"".join(
        struct.pack(order + "HHI", tag, kind, count) + _slot(order, kind, count, value)
        for tag, kind, count, value in tags
    )
    head = magic + struct.pack(order + "IH", 8, len(tags))
    return head + rows + struct.pack(order + "I", following) + body


def _slot(order: str, kind: int, count: int, value: int) -> bytes:
    """The four bytes of a value, or of its position."""
    if count == 1 and kind in (1, 3):
        return struct.pack(order + ("H2x" if kind == 3 else "B3x"), value & (0xFFFF if kind == 3 else 0xFF))
    return struct.pack(order + "I", value)


def plain(**changes: Tag | None) -> dict[str, Tag]:
    """Directory entries of an RGB picture by name; None leaves one out."""
    place = 8 + 2 + 12 * 10 + 4
    found: dict[str, Tag | None] = {
        "width": (256, 4, 1, WIDTH),
        "height": (257, 4, 1, HEIGHT),
        "bits": (258, 3, 1, 8),
        "compression": (259, 3, 1, 1),
        "color": (262, 3, 1, 1),
        "offsets": (273, 4, 1, place),
        "samples": (277, 3, 1, 1),
        "rows": (278, 4, 1, HEIGHT),
        "counts": (279, 4, 1, WIDTH * HEIGHT),
        "planes": (284, 3, 1, 1),
    }
    return {name: tag for name, tag in (found | changes).items() if tag is not None}


def made(body: bytes = BODY, /, *more: Tag, **changes: Tag | None) -> bytes:
    return _assembled(body, more, changes)


def linked(following: int) -> bytes:
    """A good page that names the place of the next one."""
    return _assembled(BODY, (), {}, following)


def _assembled(
    body: bytes, more: tuple[Tag, ...], changes: dict[str, Tag | None], following: int = 0
) -> bytes:
    tags = sorted([*plain(**changes).values(), *more])
    shift = 12 * (len(tags) - 10)
    tags = [(t, k, c, v + shift if t == 273 and v == 134 else v) for t, k, c, v in tags]
    return tiff(tags, body, following=following)


def _values() -> Iterator[tuple[str, bytes]]:
    odd = (0, 1, 2, 3, 7, 255, 32_768, 65_535)
    for name, (tag, kind, _, _) in plain().items():
        yield f"without {name}", made(**{name: None})
        for value in odd:
            yield f"{name} {value}", made(**{name: (tag, 3 if kind == 3 else 4, 1, value)})
        if kind == 4:
            for value in (1 << 20, 1 << 31, LARGEST):
                yield f"{name} {value}", made(**{name: (tag, 4, 1, value)})


def _samples() -> Iterator[tuple[str, bytes]]:
    for samples in (2, 3, 4, 5, 33, 65_535):
        for color in (0, 1, 2, 3, 5, 6, 8, 32_803):
            changes = {"samples": (277, 3, 1, samples), "color": (262, 3, 1, color)}
            yield f"{samples} samples of color kind {color}", made(**changes)
    for bits in (1, 12, 16, 24, 32, 64):
        for form in (1, 2, 3, 4, 5, 6, 99):
            changes = {"bits": (258, 3, 1, bits)}
            yield f"{bits} bits of form {form}", made(bytes(9000), (339, 3, 1, form), **changes)
    for predictor in (0, 2, 3, 34_892, 65_535):
        for compression in (1, 5, 8):
            changes = {"compression": (259, 3, 1, compression)}
            yield (
                f"predictor {predictor} of compression {compression}",
                made(zlib.compress(bytes(WIDTH * HEIGHT)), (317, 3, 1, predictor), **changes),
            )
    for extra in (1, 2, 77):
        yield f"extra sample of kind {extra}", made(bytes(9000), (338, 3, 1, extra))
    yield "a thousand extra samples", made(bytes(9000), (338, 3, 1000, 8))
    yield "fill order 9", made(bytes(9000), (266, 3, 1, 9))
    yield "orientation 99", made(bytes(9000), (274, 3, 1, 99))
    yield "depth 9", made(bytes(9000), (32_997, 4, 1, 9))
    yield "palette that is missing", made(color=(262, 3, 1, 3))
    yield "palette of two", made(b"\xff" * 900, (320, 3, 6, 8), color=(262, 3, 1, 3))


def _types() -> Iterator[tuple[str, bytes]]:
    for name, (tag, _, _, value) in plain().items():
        for kind in (0, 1, 2, 5, 7, 9, 11, 12, 13, 14, 16, 18, 129, 65_535):
            yield f"{name} of type {kind}", made(**{name: (tag, kind, 1, value)})
        for count in (0, 2, 3, 65_536, 1 << 30, LARGEST):
            yield f"{name} counted {count} times", made(**{name: (tag, 3, count, value)})
    texts = {"description": 270, "software": 305, "XMP": 700, "profile": 34_675, "IPTC": 33_723, "date": 306}
    for name, tag in texts.items():
        for kind in (1, 2, 3, 7, 12):
            for count, place in ((0, 0), (1, 0), (LARGEST, 8), (1 << 30, 8), (100, LARGEST), (40, 8)):
                yield (
                    f"{name} of type {kind}, {count} at {place}",
                    made(bytes(900), (tag, kind, count, place)),
                )
    for name, tag in {
        "NDPI": 65_420,
        "LSM": 34_412,
        "Andor": 4864,
        "MetaMorph": 33_628,
        "SIS": 33_471,
    }.items():
        yield f"{name}'s tag", made(bytes(900), (tag, 4, 1, 8))
        yield f"{name}'s tag, endless", made(bytes(900), (tag, 7, LARGEST, 8))
    for start in (b'{"shape": [1e999]}\0', b"ImageJ=1\nimages=99999999\n\0", b"<OME>&a;</OME>\0", b"SI.\0"):
        text = made(
            start.ljust(900, b"\0"), (270, 2, len(start), 8 + 2 + 12 * 11 + 4), offsets=(273, 4, 1, 8)
        )
        yield f"description {start[:9]!r}", text


def _places() -> Iterator[tuple[str, bytes]]:
    tiled: dict[str, Tag | None] = {"offsets": None, "rows": None, "counts": None}
    for across, down in ((0, 16), (16, 0), (0, 0), (1, 1), (15, 17), (1 << 16, 1 << 16), (LARGEST, LARGEST)):
        tags = [(322, 4, 1, across), (323, 4, 1, down), (324, 4, 1, 200), (325, 4, 1, 900)]
        yield f"tiles of {across}×{down}", made(bytes(9000), *tags, **tiled)
    yield (
        "tiles beside strips",
        made(bytes(9000), (322, 4, 1, 16), (323, 4, 1, 16), (324, 4, 1, 200), (325, 4, 1, 900)),
    )
    for offset in (0, 1, 7, 1 << 20, LARGEST):
        yield f"strip at {offset}", made(offsets=(273, 4, 1, offset))
    for count in (0, 1, WIDTH * HEIGHT - 1, 1 << 20, LARGEST):
        yield f"strip of {count} bytes", made(counts=(279, 4, 1, count))
    yield (
        "strips over one another",
        made(
            struct.pack("<16I", *[134] * 16) * 40,
            offsets=(273, 4, 16, 134),
            counts=(279, 4, 16, 134),
            rows=(278, 4, 1, 1),
        ),
    )
    yield (
        "planes that are not there",
        made(planes=(284, 3, 1, 2), samples=(277, 3, 1, 3), color=(262, 3, 1, 2)),
    )


def _packed() -> Iterator[tuple[str, bytes]]:
    bodies = {
        "nonsense": NONSENSE,
        "nothing": b"\0",
        "zeros": bytes(400),
        "ones": b"\xff" * 400,
        "half a deflate stream": zlib.compress(NONSENSE)[:60],
        "too much": zlib.compress(bytes(1 << 20)),
    }
    kinds = (
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        32_771,
        32_773,
        32_946,
        34_712,
        34_887,
        34_925,
        50_000,
        50_001,
        52_546,
        65_535,
    )
    for compression in kinds:
        for name, body in bodies.items():
            changes: dict[str, Tag | None] = {
                "compression": (259, 3, 1, compression),
                "counts": (279, 4, 1, len(body)),
                "bits": (258, 3, 1, 1 if compression in (2, 3, 4) else 8),
            }
            yield f"compression {compression} of {name}", made(body, **changes)
    jpeg = (
        b"\xff\xd8\xff\xc0\0\x0b\x08\0\x10\0\x18\1\1\x11\0\xff\xda\0\x08\1\1\0\0\x3f\0"
        + bytes(90)
        + b"\xff\xd9"
    )
    shared = b"\xff\xd8\xff\xdb\0\x43\0" + bytes(64) + b"\xff\xd9"
    place = 8 + 2 + 12 * 11 + 4
    tables = {
        "none": [],
        "cut off": [(347, 7, 9, place)],
        "of zeros": [(347, 7, len(shared), place)],
        "endless": [(347, 7, LARGEST, place)],
        "of one byte": [(347, 7, 1, 0)],
    }
    for name, tags in tables.items():
        changes = {
            "compression": (259, 3, 1, 7),
            "offsets": (273, 4, 1, place + len(shared)),
            "counts": (279, 4, 1, len(jpeg)),
        }
        yield f"JPEG with tables {name}", made(shared + jpeg, *tags, **changes)


def _directories() -> Iterator[tuple[str, bytes]]:
    for following in (8, 9, 1, 20, 1 << 20, LARGEST):
        yield f"next directory at {following}", linked(following)
    for count in (0, 1, 4096, 65_535):
        data = bytearray(made())
        struct.pack_into("<H", data, 8, count)
        yield f"directory of {count} entries", bytes(data)
    for start in (0, 1, 4, 7, 1 << 20, LARGEST):
        data = bytearray(made())
        struct.pack_into("<I", data, 4, start)
        yield f"first directory at {start}", bytes(data)
    for name, tag in {"SubIFDs": 330, "EXIF": 34_665, "GPS": 34_853, "interoperability": 40_965}.items():
        for count, place in ((1, 8), (1, 9), (1, LARGEST), (LARGEST, 8), (1000, 8), (0, 0)):
            yield f"{name}: {count} at {place}", made(bytes(9000), (tag, 4, count, place))
    two = linked(8 + 2 + 120 + 4 + WIDTH * HEIGHT * 4)
    yield "two pages in a circle", two + two[8:-4][:122] + struct.pack("<I", 8)
    yield "tags in the wrong order", tiff(list(reversed(plain().values())), bytes(900))
    yield "each tag twice", tiff([*plain().values(), *plain().values()], bytes(900))
    for magic in (
        b"II*\0",
        b"MM\0*",
        b"II+\0",
        b"MM\0+",
        b"II+\0\x08\0\0\0",
        b"II+\0\x10\0\0\0",
        b"II*\0\xff\xff\xff\xff",
    ):
        yield f"only {magic.hex()}", magic
        yield f"{magic.hex()} and zeros", magic + bytes(60)
    big = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, (1 << 64) - 1)
    yield "BigTIFF of endless entries", big + bytes(900)
    entry = struct.pack("<HHQQ", 273, 16, (1 << 63), (1 << 63))
    yield "BigTIFF with endless offsets", big[:16] + struct.pack("<Q", 1) + entry + bytes(900)
    yield "big-endian, the rest little-endian", b"MM\0*" + made()[4:]


def headers_tiff() -> Iterator[tuple[str, bytes]]:
    """Broken TIFF files with what is wrong with them."""
    for maker in (_values, _samples, _types, _places, _packed, _directories):
        yield from maker()
