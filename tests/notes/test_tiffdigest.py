"""The digest of a TIFF file read in bands is that of its decoded pages."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.filebytes import FileBytes
from nsr_cli.notes import provenance, tiffdigest

RANDOM = np.random.default_rng(3)
COLORS = RANDOM.integers(0, 256, (3, 256)).astype(np.uint16) * 257


def noise(*shape: int, dtype: type = np.uint8) -> Any:
    return RANDOM.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def digest(path: Path, most: int = 1 << 20) -> str | None:
    with FileBytes(path) as file:
        return tiffdigest.digest(file, codec.decode_part, most)


@pytest.mark.parametrize(
    ("array", "options"),
    [
        (noise(70, 30, 3), {"rowsperstrip": 16, "compression": "zlib", "predictor": True}),
        (noise(70, 30), {"rowsperstrip": 33}),
        (noise(70, 30, dtype=np.uint16), {"tile": (32, 16), "compression": "lzw", "bigtiff": True}),
        (noise(70, 30, 4, dtype=np.uint16), {"tile": (16, 16), "extrasamples": ["unassalpha"]}),
        (noise(70, 30, 2), {"rowsperstrip": 5, "extrasamples": ["assocalpha"], "planarconfig": "contig"}),
        (noise(3, 70, 30), {"rowsperstrip": 9, "planarconfig": "separate", "photometric": "rgb"}),
        (noise(70, 30), {"rowsperstrip": 9, "photometric": "palette", "colormap": COLORS}),
        (noise(70, 30), {"rowsperstrip": 9, "photometric": "miniswhite"}),
        (noise(70, 30) > 99, {"rowsperstrip": 9, "byteorder": ">"}),
    ],
)
def test_it_is_that_of_the_decoded_pages(
    array: Any, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiffdigest, "_BLOCK", 30 * 12)
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(
        path, bigtiff=options.pop("bigtiff", False), byteorder=options.pop("byteorder", None)
    ) as file:
        for _ in range(2):
            file.write(array, metadata=None, **options)
    pages = list(codec.decode_all(path.read_bytes()))
    assert len(pages) == 2 and digest(path) == provenance.digest(pages)


@pytest.mark.parametrize(
    ("array", "tags"),
    [(noise(20, 10).astype(np.float32), ()), (noise(20, 10), ((274, 3, 1, 6, True),))],
)
def test_what_depends_on_the_whole_has_none(array: Any, tags: Any, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", array, metadata=None, extratags=tags)
    assert digest(tmp_path / "a.tif") is None


def test_a_page_above_the_limit_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(20, 10), metadata=None)
    with pytest.raises(DecodeError):
        digest(tmp_path / "a.tif", 199)
