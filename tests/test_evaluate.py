"""The measuring protocol: each rule on small pictures, and the published figures on the benchmark sets.

The figures of the degraded inputs are the project's agreed ones, made by a script that shares no code with
this package; bicubic interpolation is MATLAB's, JPEG is libjpeg's.
"""

import json
import math
import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from nsr_cli.datasets import PictureSet, load_registry
from nsr_cli.errors import DataError
from nsr_cli.evaluate import (
    Baseline,
    Case,
    Row,
    degraded,
    evaluate,
    evaluate_set,
    original,
    paper_scores,
    score,
)
from nsr_cli.imaging.degrade import jpeg
from nsr_cli.imaging.png.chunks import SIGNATURE, chunk
from nsr_cli.metrics import psnr, ssim

Unit = NDArray[np.float32]
BICUBIC = {
    "Set5": ((33.68, 0.9305), (30.40, 0.8690), (28.43, 0.8113)),
    "BSD100": ((29.56, 0.8436), (27.21, 0.7395), (25.96, 0.6682)),
    "Urban100": ((26.88, 0.8407), (24.46, 0.7353), (23.14, 0.6582)),
}
JPEG = {10: (27.82, 0.7595), 20: (30.12, 0.8344), 30: (31.48, 0.8666), 40: (32.43, 0.8849)}


def named(name: str) -> PictureSet:
    return PictureSet(name, "benchmark", "rgb", 1)


EMPTY_PNG = SIGNATURE + b"".join(
    chunk(kind, content)
    for kind, content in (
        (b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 0, 0, 0, 0)),
        (b"IDAT", b"too little"),
        (b"IEND", b""),
    )
)
DIV2K = replace(named("DIV2K-valid"), scored_on="rgb")
CROPPED = replace(named("BSD100"), crop=(48, 32))


class Fake:
    """A model whose output a test chooses."""

    sha256 = "0" * 64

    def __init__(self, output: Callable[[Unit], Unit], name: str = "fake") -> None:
        self.output, self.name = output, name
        self.inputs: list[Unit] = []
        self.levels: list[tuple[float | None, int | None]] = []

    def run(self, array: Unit, *, sigma: float | None = None, quality: int | None = None) -> Unit:
        self.inputs.append(array)
        self.levels.append((sigma, quality))
        return self.output(array)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """41×37 color noise, smoothed a little so that it can be enlarged."""
    rng = np.random.default_rng(5)
    coarse = Image.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8))
    path = tmp_path / "photo.png"
    coarse.resize((41, 37), Image.Resampling.BICUBIC).save(path)
    return path


def bicubic_row(root: Path, name: str, scale: int) -> Row:
    images = sorted((root / "eval" / name).iterdir())
    return evaluate(Case(load_registry().get(name), "upscale", scale), images, Baseline("bicubic", scale))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(
    "name",
    [
        "Set5",
        pytest.param("BSD100", marks=pytest.mark.slow),
        pytest.param("Urban100", marks=pytest.mark.slow),
    ],
)
def test_bicubic_scores_what_it_must(shared_data: Path, name: str, scale: int) -> None:
    row = bicubic_row(shared_data, name, scale)
    expected_psnr, expected_ssim = BICUBIC[name][scale - 2]
    assert row.images == {"Set5": 5, "BSD100": 100, "Urban100": 100}[name]
    assert row.psnr == pytest.approx(expected_psnr, abs=0.01)
    assert row.ssim == pytest.approx(expected_ssim, abs=0.0005)


@pytest.mark.parametrize("quality", [10, 20, 30, 40])
def test_jpeg_scores_what_it_must(shared_data: Path, quality: int) -> None:
    images = sorted((shared_data / "eval" / "Classic5").iterdir())
    row = evaluate(Case(named("Classic5"), "dejpeg", quality=quality), images, Baseline("input"))
    assert row.psnr == pytest.approx(JPEG[quality][0], abs=0.01)
    assert row.ssim == pytest.approx(JPEG[quality][1], abs=0.0005)


def test_noise_of_sigma_25_scores_what_rounding_and_clipping_leave(shared_data: Path) -> None:
    # Unclipped noise of σ 25 has 20 log10(255 / 25) = 20.17 dB; clipping to 8 bit takes a little of it away.
    images = sorted((shared_data / "eval" / "Set12").iterdir())
    row = evaluate(Case(named("Set12"), "denoise", sigma=25), images, Baseline("input"))
    assert 20.17 < row.psnr < 20.6


def test_the_model_gets_small_eight_bit_pictures_and_is_scored_without_the_border(photo: Path) -> None:
    target = original(photo, Case(named("x"), "upscale", 3))
    assert target.shape == (36, 39, 3)

    def spoiled_border(_: Unit) -> Unit:
        output = target.astype(np.float32) / np.float32(255)
        output[:3], output[-3:], output[:, :3], output[:, -3:] = 0, 0, 0, 0
        return output

    model = Fake(spoiled_border)
    row = evaluate(Case(named("x"), "upscale", 3), [photo], model)
    assert row.psnr == math.inf
    assert row.ssim == pytest.approx(1)
    (seen,) = model.inputs
    assert seen.shape == (12, 13, 3) and seen.dtype == np.float32
    assert np.abs(seen * 255 - np.rint(seen * 255)).max() < 1e-4


def test_the_output_is_rounded_and_clipped_to_eight_bit_before_scoring(photo: Path) -> None:
    target = original(photo, Case(named("x"), "denoise", sigma=10)).astype(np.float32)
    nearly = np.where(target == 255, 300, np.where(target == 0, -40, target + 0.4)) / 255
    row = evaluate(Case(named("x"), "denoise", sigma=10), [photo], Fake(lambda _: nearly.astype(np.float32)))
    assert row.psnr == math.inf


def test_color_is_scored_on_luma_but_div2k_and_denoising_on_rgb() -> None:
    target = np.full((40, 40, 3), 100, np.uint8)
    blue = target.copy()
    blue[..., 2] += 10
    on_y = 20 * math.log10(255 / (10 * 24.966 / 255))
    on_rgb = 10 * math.log10(255**2 / (100 / 3))
    assert score(blue, target, Case(named("Set5"), "upscale", 2))[0] == pytest.approx(on_y)
    assert score(blue, target, Case(DIV2K, "upscale", 2))[0] == pytest.approx(on_rgb)
    assert score(blue, target, Case(named("CBSD68"), "denoise", sigma=25))[0] == pytest.approx(on_rgb)


def test_div2k_is_shaved_by_six_pixels_more_and_restoration_by_none() -> None:
    target = np.zeros((40, 40, 3), np.uint8)
    dot = target.copy()
    dot[7, 20] = 90  # eighth row: inside a border of 2 + 6, outside one of 2
    assert score(dot, target, Case(DIV2K, "upscale", 2))[0] == math.inf
    assert math.isfinite(score(dot, target, Case(named("Set5"), "upscale", 2))[0])
    dot[7, 20], dot[0, 0] = 0, 90
    assert math.isfinite(score(dot, target, Case(named("CBSD68"), "denoise", sigma=25))[0])


def test_noise_is_not_clipped_and_depends_on_the_stem_alone(photo: Path) -> None:
    case = Case(named("x"), "denoise", sigma=50)
    black = np.zeros((32, 32, 1), np.uint8)
    first = degraded(black, case, "photo")
    assert first.min() < -0.3
    assert float(first.std()) * 255 == pytest.approx(50, rel=0.1)
    assert np.array_equal(first, degraded(black, case, photo.stem))
    assert not np.array_equal(first, degraded(black, case, "other"))


def test_levels_reach_the_model(photo: Path) -> None:
    model = Fake(lambda array: array)
    evaluate(Case(named("x"), "denoise", sigma=7.5), [photo], model)
    evaluate(Case(named("x"), "dejpeg", quality=35), [photo], model)
    assert model.levels == [(7.5, None), (None, 35)]


def test_color_is_made_gray_for_jpeg_and_for_the_sets_that_denoising_papers_score_gray(photo: Path) -> None:
    color = np.asarray(Image.open(photo)).astype(np.float64)
    studio = np.rint(16 + color @ [65.481, 128.553, 24.966] / 255)
    full = np.rint(color @ [0.299, 0.587, 0.114])
    assert np.array_equal(original(photo, Case(named("LIVE1"), "dejpeg", quality=10))[..., 0], studio)
    assert np.array_equal(original(photo, Case(named("Urban100"), "denoise", sigma=15))[..., 0], full)
    assert original(photo, Case(named("CBSD68"), "denoise", sigma=15)).shape == (37, 41, 3)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_color_jpeg_is_scored_on_rgb_and_on_y(photo: Path, subsampling: Any) -> None:
    case = Case(named("LIVE1"), "dejpeg", quality=10, color="rgb", subsampling=subsampling)
    color = np.asarray(Image.open(photo))
    coded = jpeg(color, 10, subsampling)
    on_y = tuple(
        16 + pixels.astype(np.float64) @ [65.481, 128.553, 24.966] / 255 for pixels in (coded, color)
    )
    row = evaluate(case, [photo], Baseline("input"))
    assert row.psnr == pytest.approx(psnr(coded, color)) and row.psnr_y == pytest.approx(
        psnr(on_y[0], on_y[1])
    )
    assert row.ssim == pytest.approx(ssim(on_y[0], on_y[1]))
    assert (row.color, row.subsampling, row.paper) == ("rgb", subsampling, None)
    assert row.figures.keys() == {"psnr", "ssim", "psnr_y"}


def test_the_papers_scores_are_shown_only_for_their_own_protocol() -> None:
    assert paper_scores(Case(named("LIVE1"), "dejpeg", quality=10)) is not None
    assert paper_scores(Case(named("LIVE1"), "dejpeg", quality=10, color="gray")) is not None
    assert paper_scores(Case(named("LIVE1"), "dejpeg", quality=10, color="rgb")) is None
    assert paper_scores(Case(named("Urban100"), "denoise", sigma=25, color="rgb")) is None
    gray = replace(named("Classic5"), color="gray")
    case = Case(gray, "dejpeg", quality=10, color="rgb")  # has no color to restore
    assert case.on_gray and paper_scores(case) is not None


def test_models_and_cases_of_a_set_share_what_is_read_and_degraded(photo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.open(photo).rotate(180).save(other)
    cases = [Case(named("x"), "denoise", sigma=sigma) for sigma in (10.0, 20.0)]
    models = [Fake(lambda array: array, "one"), Fake(np.zeros_like, "two")]
    seen: list[tuple[int, int]] = []
    rows = evaluate_set(
        [(case, models) for case in cases], [photo, other], progress=lambda *at: seen.append(at)
    )
    assert [(row.sigma, row.model) for row in rows] == [(10, "one"), (10, "two"), (20, "one"), (20, "two")]
    for first, second in zip(models[0].inputs, models[1].inputs, strict=True):
        assert first is second
    alone = [evaluate(case, [photo, other], model) for case in cases for model in models]
    assert [(row.psnr, row.ssim) for row in rows] == [(row.psnr, row.ssim) for row in alone]
    assert seen == [(i, 8) for i in range(9)]


def test_a_part_of_a_set_is_not_the_set(photo: Path) -> None:
    case = Case(named("Classic5"), "dejpeg", quality=10)
    (part,) = evaluate_set([(case, [Baseline("input")])], [photo], set_images=5)
    assert (part.images, part.set_images, part.is_partial, part.paper) == (1, 5, True, None)
    (whole,) = evaluate_set([(case, [Baseline("input")])], [photo])
    assert not whole.is_partial and whole.paper is not None


def test_gray_pictures_stay_as_they_are(tmp_path: Path) -> None:
    plane = np.arange(24 * 24, dtype=np.uint16).reshape(24, 24).astype(np.uint8)
    Image.fromarray(plane).save(tmp_path / "gray.png")
    for case in (
        Case(named("x"), "dejpeg", quality=10),
        Case(named("x"), "denoise", sigma=15),
        Case(named("x"), "upscale", 2),
    ):
        assert np.array_equal(original(tmp_path / "gray.png", case)[..., 0], plane)


def test_white_of_twelve_bits_in_sixteen_is_found(tmp_path: Path) -> None:
    # As `nsr train` and the restoring commands do; seen as parts of 65535 it would be nearly black.
    tifffile.imwrite(
        tmp_path / "a.tif", np.full((24, 24), 2000, np.uint16) + np.eye(24, dtype=np.uint16) * 2095
    )
    found = original(tmp_path / "a.tif", Case(named("x"), "denoise", sigma=25))[..., 0]
    assert found.max() == 255
    assert found.min() == round(2000 / 4095 * 255)


def test_what_lies_under_transparent_pixels_does_not_count(tmp_path: Path) -> None:
    pixels = np.full((24, 24, 4), (90, 120, 150, 255), np.uint8)
    pixels[:8] = np.random.default_rng(0).integers(0, 256, (8, 24, 4), np.uint8)
    pixels[:8, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = original(tmp_path / "a.png", Case(named("x"), "upscale", scale=2))
    np.testing.assert_array_equal(found, np.full((24, 24, 3), (90, 120, 150), np.uint8))


def test_a_crop_takes_the_top_left_part_either_way_up(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (33, 49, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    Image.fromarray(pixels.swapaxes(0, 1)).save(tmp_path / "tall.png")
    case = Case(CROPPED, "upscale", 2)
    assert np.array_equal(original(tmp_path / "wide.png", case), pixels[:32, :48])
    assert original(tmp_path / "tall.png", case).shape == (48, 32, 3)


def test_the_mean_is_over_pictures(photo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.open(photo).rotate(90, expand=True).resize((60, 44)).save(other)
    case = Case(named("x"), "upscale", 2)
    both = evaluate(case, [photo, other], Baseline("bicubic", 2))
    single = [evaluate(case, [path], Baseline("bicubic", 2)) for path in (photo, other)]
    assert both.psnr == pytest.approx((single[0].psnr + single[1].psnr) / 2)
    assert both.images == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty; get the file again, or leave it out$"),
        (b"no picture at all", "not a picture .*; get the file again, or leave it out$"),
        (b"P5 4 4 255\n" + bytes(3), "cut off .*; get the file again, or leave it out$"),
        (EMPTY_PNG, "it is cut off; get the file again, or leave it out$"),
        (b"%PDF-1.7 text", "convert it to PNG or TIFF first$"),
        (b"P6 100000 100000 255\n" + bytes(10), "limit of 537; cut it into smaller ones$"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"broken\.png.*{said}"):
        evaluate(Case(named("x"), "upscale", 2), [tmp_path / "broken.png"], Baseline("bicubic", 2))


def test_pipes_devices_and_files_far_too_large_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(1 << 34)
    for name, said in (("pipe", "a pipe or a device"), ("device", "a pipe"), ("large", "bytes are too many")):
        path = tmp_path / f"{name}.png"
        with pytest.raises(DataError, match=rf"{name}\.png: cannot be read: .*{said}.*; check the file$"):
            evaluate(Case(named("x"), "upscale", 2), [path], Baseline("bicubic", 2))


def test_pictures_too_small_to_score_and_empty_sets_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (14, 40)).save(tmp_path / "small.png")
    with pytest.raises(DataError, match="too few"):
        evaluate(Case(named("x"), "upscale", 2), [tmp_path / "small.png"], Baseline("bicubic", 2))
    with pytest.raises(DataError, match="no pictures"):
        evaluate(Case(named("x"), "upscale", 2), [], Baseline("bicubic", 2))


def test_a_row_is_json_even_when_the_restoration_is_perfect(photo: Path) -> None:
    row = evaluate(Case(named("x"), "denoise", sigma=0.0), [photo], Baseline("input"))
    assert row.psnr == math.inf
    record = json.loads(json.dumps(row.as_json(), allow_nan=False))
    assert record["psnr"] is None and record["ssim"] == pytest.approx(1)
    assert record["scale"] is None and record["sigma"] == 0 and record["paper"] is None


def test_the_papers_scores_are_beside_networks_and_its_baseline_beside_ours() -> None:
    networks = paper_scores(Case(named("BSD100"), "upscale", 4))
    assert networks is not None
    assert networks["Sparse +"] == {"psnr": 27.61, "ssim": 0.7372}
    assert "Bicubic" not in networks
    assert paper_scores(Case(named("BSD100"), "upscale", 4), baseline=True) == {
        "Bicubic": {"psnr": 25.96, "ssim": 0.6675}
    }
    assert paper_scores(Case(named("Classic5"), "dejpeg", quality=10), baseline=True) == {
        "JPEG": {"psnr": 27.82, "ssim": None}
    }
    noisy = paper_scores(Case(named("BSD68"), "denoise", sigma=50.0))
    assert noisy is not None and noisy["Sparse -"]["psnr"] == 26.37
    assert paper_scores(Case(named("Set5"), "upscale", 5)) is None
    assert paper_scores(Case(named("mine"), "upscale", 2)) is None
