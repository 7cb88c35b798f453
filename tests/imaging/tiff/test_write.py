"""Pages that are packed one by one make the file that they make together."""

from typing import Any

import numpy as np
import pytest

from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.tiff import write as tiffwrite

RANDOM = np.random.default_rng(4)


def picture(
    dtype: Any, channels: int, clear: bool, size: tuple[int, int] = (300, 90), **about: Any
) -> Picture:
    def samples(*shape: int) -> Any:
        found = RANDOM.random(shape).astype(np.float32)
        return found if dtype == np.float32 else (found * np.iinfo(dtype).max).astype(dtype)

    return Picture(samples(*size, channels), samples(*size) if clear else None, **about)


def pages() -> list[Picture]:
    found = [
        picture(dtype, channels, clear, span=(0.0, 1023.0) if dtype == np.float32 else (0.0, 1.0))
        for dtype in (np.uint8, np.uint16, np.float32)
        for channels in (1, 3)
        for clear in (False, True)
    ]
    found[1] = found[1].with_metadata(Metadata(dpi=(300.0, 200.0), text=(("Title", "two"),)))
    return [*found, picture(np.uint8, 3, False, (2, 90_000)), picture(np.uint8, 1, False, (1, 1))]


def test_the_file_is_the_same() -> None:
    together = pages()
    assert codec.encode_pages([tiffwrite.pack(page) for page in together], "TIFF") == codec.encode_pages(
        together, "TIFF"
    )


def test_metadata_may_come_after_packing() -> None:
    meta = Metadata(dpi=(72.0, 72.0), text=(("Title", "later"),))
    one = picture(np.uint8, 3, True)
    late = tiffwrite.pack(one).with_metadata(meta)
    assert codec.encode_pages([late], "TIFF") == codec.encode_pages([one.with_metadata(meta)], "TIFF")


def test_what_is_packed_holds_no_pixels() -> None:
    packed = tiffwrite.pack(Picture(np.zeros((500, 400, 3), np.uint8)))
    assert (packed.width, packed.height, packed.bits, packed.samples) == (400, 500, 8, 3)
    assert packed.pixels.strides == (0, 0, 0) and sum(map(len, packed.parts)) < 6_000


@pytest.mark.parametrize("limit", [1 << 40, 1])
def test_large_files_have_wide_positions_either_way(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiffwrite, "CLASSIC_LIMIT", limit)
    both = [picture(np.uint8, 3, False), picture(np.uint8, 1, False)]
    found = codec.encode_pages([tiffwrite.pack(page) for page in both], "TIFF")
    assert found == codec.encode_pages(both, "TIFF")
    assert found.startswith(b"II+\0" if limit == 1 else b"II*\0")
