"""Directories alone tell which TIFF files are not read, in the words in which the reader says so."""

import io
from functools import partial

import numpy as np
import pytest
import tifffile

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.heads.pages import read_heads
from nsr_cli.imaging.tiff.kinds import check_file, pictures
from nsr_cli.imaging.tiff.parts import open_pages
from tests.imaging import files

RANDOM = np.random.default_rng(7)
GRAY = RANDOM.integers(0, 100, (24, 32)).astype(np.uint8)
COLOR = RANDOM.integers(0, 100, (24, 32, 3)).astype(np.uint8)


tiff = partial(files.tiff, metadata=None)

REFUSED = {
    "int8": lambda: tiff(GRAY.astype(np.int8)),
    "int16": lambda: tiff(GRAY.astype(np.int16)),
    "int16 of another order": lambda: tiff(GRAY.astype(np.int16), byteorder=">", bigtiff=True),
    "uint32": lambda: tiff(GRAY.astype(np.uint32)),
    "uint64": lambda: tiff(GRAY.astype(np.uint64)),
    "complex": lambda: tiff(GRAY.astype(np.complex64)),
    "LZMA": lambda: tiff(GRAY, compression="lzma"),
    "LERC": lambda: tiff(GRAY.astype(np.float32), compression="lerc"),
    "JPEG 2000": lambda: tiff(GRAY, compression="jpeg2000"),
    "JPEG XL": lambda: tiff(GRAY, compression="jpegxl"),
    "WebP": lambda: tiff(COLOR, compression="webp", photometric="rgb"),
    "CIELab": lambda: tiff(COLOR, photometric="cielab"),
    "YCbCr": lambda: tiff(COLOR, photometric="ycbcr"),
    "a mask alone": lambda: tiff(GRAY > 50, subfiletype=4),
    "a mask of a smaller copy": lambda: tiff(GRAY > 50, subfiletype=5),
}
READ = {
    "bits": lambda: tiff(GRAY > 50),
    "uint8": lambda: tiff(GRAY),
    "uint16 of another order": lambda: tiff(GRAY.astype(np.uint16), byteorder=">"),
    "12 bits": lambda: tiff(GRAY.astype(np.uint16), bitspersample=12),
    "float16": lambda: tiff(GRAY.astype(np.float16)),
    "float64": lambda: tiff(GRAY.astype(np.float64), bigtiff=True),
    "RGB": lambda: tiff(COLOR, photometric="rgb", compression="zstd"),
    "planes": lambda: tiff(COLOR.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"),
    "JPEG": lambda: tiff(COLOR, photometric="ycbcr", compression="jpeg"),
    "palette": lambda: tiff(GRAY, photometric="palette", colormap=np.zeros((3, 256), np.uint16)),
    "CMYK": lambda: tiff(np.concatenate([COLOR, COLOR[..., :1]], axis=2), photometric="separated"),
    "a smaller copy alone": lambda: tiff(GRAY, subfiletype=1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_reader_refuses_is_refused_for_its_directory(name: str) -> None:
    data = REFUSED[name]()
    with pytest.raises(DecodeError) as by_reader:
        list(codec.decode_all(data))
    with pytest.raises(DecodeError) as by_directory:
        check_file(data)
    assert str(by_directory.value) == str(by_reader.value)


@pytest.mark.parametrize("name", READ)
def test_what_is_read_is_not_refused(name: str) -> None:
    data = READ[name]()
    [picture] = codec.decode_all(data)
    check_file(data)
    [head] = read_heads(data, every_frame=False)
    [parts] = open_pages(data, 1 << 20)
    sizes = (head.width, head.height), (parts.width, parts.height), (picture.width, picture.height)
    assert sizes == ((32, 24),) * 3


def test_a_later_page_of_such_a_kind_is_found_too() -> None:
    files = []
    for last in (GRAY, GRAY.astype(np.int16)):
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as writer:
            writer.write(GRAY, metadata=None)
            writer.write(GRAY.astype(np.int16), subfiletype=1, metadata=None)
            writer.write(last, metadata=None)
        files.append(file.getvalue())
    check_file(files[0])
    with pytest.raises(DecodeError, match="16 bits, type int16, is not supported"):
        check_file(files[1])


def test_damage_is_left_to_the_decoder() -> None:
    data = REFUSED["int16"]()
    for cut in (b"II*\0", data[:8], data[:40]):
        check_file(cut)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((0, 1, 0), [0, 2]),
        ((1, 0), [1]),
        ((1, 1), [0]),
        ((4, 1, 2), [2]),
        ((4, 1), [1]),
        ((4, 5), []),
        ((), []),
    ],
)
def test_smaller_copies_are_pictures_only_where_there_is_no_other(
    kinds: tuple[int, ...], expected: list[int]
) -> None:
    assert list(pictures(enumerate(kinds))) == expected
