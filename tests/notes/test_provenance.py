"""The digest of a result's pixels in its note."""

from typing import Any

import numpy as np
import pytest

from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.notes import provenance
from nsr_cli.notes.provenance import digest


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [None, 60])
def test_the_digest_is_that_of_the_file_when_it_is_read_again(
    form: str, dtype: Any, channels: int, quality: int | None
) -> None:
    rng = np.random.default_rng(5)
    span = 1.0 if dtype is np.float32 else float(np.iinfo(dtype).max)
    samples = (rng.random((5, 7, channels)) * span).astype(dtype)
    alpha = (rng.random((5, 7)) * span).astype(dtype)
    stored = (0.0, 1000.0) if dtype is np.float32 and form == "TIFF" else (0.0, 1.0)
    page = Picture(samples, alpha)
    for one in (page, Picture(samples, None, span=stored)):
        data = codec.encode(one, form, quality=quality)
        noted = provenance.digest_as_written([one], form, quality, lambda bare, data=data: data)  # type: ignore[misc]
        assert noted == digest([codec.decode(data)])
    assert provenance.digest_as_written([page], "BMP", None, lambda _: b"") is None
    assert digest([page]) != digest([Picture(samples[::-1].copy(), alpha)])
    assert digest([page]) != digest([Picture(samples, alpha[::-1].copy())])
