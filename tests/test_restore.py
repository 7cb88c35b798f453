"""Pictures through real (tiny) networks: scales, colors, transparency, strength, ensembles."""

import io
from collections.abc import Callable
from dataclasses import fields
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsr_cli.engine.bands import collect, picture_bands
from nsr_cli.engine.clipping import spread_excess
from nsr_cli.engine.levels import measured_sigma
from nsr_cli.engine.options import RestoreOptions
from nsr_cli.errors import UsageError, WeightsError
from nsr_cli.imaging.color import White, from_unit, rgb_to_ycc, to_unit
from nsr_cli.imaging.picture import Metadata, Picture
from nsr_cli.imaging.resizing.resize import resize
from nsr_cli.model.checkpoint import save_network
from nsr_cli.restore import Restorer
from nsr_cli.weights.choice import compose
from nsr_cli.weights.manifest import Manifest
from nsr_cli.weights.store import WeightStore
from tests.tiny import tiny_network, tiny_weights

Load = Callable[..., Restorer]
RANDOM = np.random.default_rng(3)


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return RANDOM.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(Manifest((), "file:///nowhere"), cache=tmp_path / "cache", offline=True)


@pytest.fixture
def load(tmp_path: Path, store: WeightStore) -> Load:
    """Loads a tiny network for a task and a factor; `size` as for `tiny_weights`."""

    def loaded(task: str = "upscale", factor: float = 2, **size: int) -> Restorer:
        model = str(tiny_weights(tmp_path / "tiny.safetensors", **size))
        return Restorer.load(task, scale=factor, model=model, device="cpu", precision="fp32", store=store)

    return loaded


@pytest.mark.parametrize(
    ("factor", "natives", "steps"),
    [
        (2, [2, 3, 4], [2]),
        (4, [2, 3, 4], [4]),
        (8, [2, 3, 4], [4, 2]),
        (16, [2, 3, 4], [4, 4]),
        (2.5, [2, 3, 4], [3]),
        (1.5, [2, 3, 4], [2]),
        (5, [2, 3, 4], [3, 2]),
        (7, [2, 3, 4], [4, 2]),
        (4, [2], [2, 2]),
        (3, [4], [4]),
        (16, [2], [2, 2, 2, 2]),
    ],
)
def test_factors_are_composed_of_few_native_steps(
    factor: float, natives: list[int], steps: list[int]
) -> None:
    assert compose(factor, natives) == steps


@pytest.mark.parametrize("factor", [1.3, 2, 2.5, 4, 5.7])
def test_any_factor_gives_the_exact_size(factor: float, load: Load) -> None:
    picture = Picture(noise(21, 34, 3))
    out = load(factor=factor)(picture)
    assert (out.height, out.width) == (round(21 * factor), round(34 * factor))


@pytest.mark.parametrize(("factor", "message"), [(1, "above 1"), (17, "up to 16"), (None, "factor")])
def test_other_factors_are_usage_errors(factor: float, message: str, load: Load) -> None:
    with pytest.raises(UsageError, match=message):
        load(factor=factor)


def test_what_a_picture_is_stays(load: Load) -> None:
    restorer = load()
    metadata = Metadata(icc=b"profile", dpi=(300.0, 300.0))
    for channels in (1, 3):
        for dtype in (np.uint8, np.uint16):
            picture = Picture(noise(9, 12, channels, dtype=dtype), metadata=metadata, source="PNG")
            out = restorer(picture)
            assert out.pixels.dtype == dtype and out.channels == channels and out.metadata == metadata
            assert out.alpha is None


def test_sixteen_bits_are_not_rounded_to_eight(load: Load) -> None:
    out = load()(Picture(noise(30, 30, 3, dtype=np.uint16)))
    assert len(np.unique(out.pixels % 257)) > 200


def test_transparency_goes_its_own_way(load: Load) -> None:
    pixels, alpha = noise(16, 16, 3), np.full((16, 16), 255, np.uint8)
    alpha[:, :8] = 0
    restorer = load()
    out = restorer(Picture(pixels, alpha))
    expected = from_unit(resize(to_unit(alpha[..., None]), 32, 32).clip(0, 1), np.uint8)[..., 0]
    assert out.alpha is not None and np.array_equal(out.alpha, expected)
    other = pixels.copy()
    other[:, :8] = 255 - other[:, :8]  # what lies under transparent pixels must not matter
    assert np.array_equal(restorer(Picture(other, alpha)).pixels, out.pixels)


def test_strength_blends_with_the_plain_resize(load: Load) -> None:
    restorer, picture = load(), Picture(noise(20, 25, 3))
    plain = from_unit(resize(to_unit(picture.pixels), 40, 50), np.uint8)
    full = restorer(picture).pixels
    assert np.array_equal(restorer(picture, strength=0.0).pixels, plain)
    half = restorer(picture, strength=0.5).pixels.astype(int)
    inside = (full > 0) & (full < 255) & (plain > 0) & (plain < 255)
    assert np.abs(half - (full.astype(int) + plain) / 2)[inside].max() <= 1


def test_small_pictures_can_be_restored_on_one_core_with_the_same_result(load: Load) -> None:
    restorer = load(factor=4)  # ×2 twice: the second step has four times the windows
    picture = Picture(noise(70, 60, 3))
    single = restorer.on_one_core(picture, 2)
    assert single is not None
    assert np.array_equal(single(picture).pixels, restorer(picture).pixels)
    assert restorer.on_one_core(Picture(noise(200, 200, 3)), 2) is None
    assert restorer.on_one_core(Picture(noise(200, 200, 3)), 16) is not None


def test_what_clipping_cuts_off_is_made_up_for_where_samples_are_clipped(load: Load) -> None:
    restorer = load()
    pixels = (RANDOM.random((30, 40, 3)) ** 4 * 255).astype(np.uint8)
    raw = restorer.run(to_unit(pixels), clipped=False)
    assert (raw < 0).any(), "nothing to cut off"
    given = raw.copy()
    spread_excess(given)
    assert np.array_equal(restorer(Picture(to_unit(pixels))).pixels, raw)
    assert np.array_equal(restorer(Picture(pixels)).pixels, from_unit(given, np.uint8))
    off = [abs(float(kept.clip(0, 1).mean() - raw.mean())) for kept in (given, raw)]
    assert off[0] < 0.7 * off[1]


def test_an_explicit_size_wins(load: Load) -> None:
    out = load()(Picture(noise(20, 30, 3)), size=(47, 33))
    assert (out.width, out.height) == (47, 33)


def test_keywords_and_options_ask_for_the_same(load: Load) -> None:
    restorer, picture = load("denoise", scale=1, levels=1), Picture(noise(20, 30, 3))
    asked = {"sigma": 30.0, "strength": 0.5, "tta": True, "size": (47, 33)}
    named = restorer(picture, **asked)  # type: ignore[arg-type]
    given = restorer.restore(picture, RestoreOptions(**asked))  # type: ignore[arg-type]
    assert np.array_equal(named.pixels, given.pixels)
    keywords = signature(Restorer.__call__).parameters.keys() - {"self", "picture", "progress"}
    assert keywords == {field.name for field in fields(RestoreOptions)}


def test_levels_are_measured_if_asked_for(load: Load) -> None:
    """As `nsr denoise` and `nsr dejpeg` do."""
    y, x = np.mgrid[:192, :256]
    ramp = np.repeat((64 + x * 0.4 + y * 0.3)[..., None], 3, axis=2)
    noisy = Picture((ramp + np.random.default_rng(1).normal(0, 20, ramp.shape)).astype(np.uint8))
    stored = io.BytesIO()
    Image.fromarray(noisy.pixels).save(stored, "JPEG", quality=37)
    saved = Picture(np.asarray(Image.open(stored)))
    for task, level, picture, measured in (
        ("denoise", "sigma", noisy, measured_sigma(noisy)),
        ("dejpeg", "quality", saved, 37),
    ):
        restorer = load(task, scale=1, levels=1)
        found = restorer(picture, **{level: "auto"})  # type: ignore[arg-type]
        named = restorer(picture, **{level: measured})  # type: ignore[arg-type]
        assert np.array_equal(found.pixels, named.pixels)
        assert not np.array_equal(found.pixels, restorer(picture, **{level: 60}).pixels)  # type: ignore[arg-type]
    assert measured_sigma(noisy) == pytest.approx(20, rel=0.1)
    assert load("dejpeg", scale=1, levels=1)(noisy, quality="auto") is noisy, "it bears no traces"
    assert load()(noisy, sigma="auto", quality="auto").width == 512, "not for this task"


def test_bands_refuse_the_ensemble_rather_than_leave_it_out(load: Load) -> None:
    with pytest.raises(UsageError, match="whole picture in memory"):
        load().bands(picture_bands(noise(9, 9, 3)), np.uint8, RestoreOptions(tta=True))


def test_the_ensemble_is_the_mean_of_all_turns(load: Load) -> None:
    restorer = load()
    array = to_unit(noise(14, 22, 3))
    turns = [(k, flip) for k in range(4) for flip in (False, True)]
    outs = []
    for k, flip in turns:
        turned = np.ascontiguousarray(np.rot90(array[:, ::-1] if flip else array, k))
        back = np.rot90(restorer.run(turned, clipped=False), -k)
        outs.append(back[:, ::-1] if flip else back)
    np.testing.assert_allclose(restorer.run(array, tta=True, clipped=False), np.mean(outs, axis=0), atol=1e-6)
    turned = restorer.run(np.ascontiguousarray(np.rot90(array)), tta=True)
    np.testing.assert_allclose(np.rot90(turned, -1), restorer.run(array, tta=True), atol=1e-5)


@pytest.mark.parametrize("task", ["denoise", "dejpeg"])
@pytest.mark.parametrize("network_channels", [1, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_gray_and_color_networks_take_gray_and_color_pictures(
    task: str, network_channels: int, channels: int, load: Load
) -> None:
    restorer = load(task, scale=1, channels=network_channels, levels=1)
    level = {"sigma": 20.0} if task == "denoise" else {"quality": 30.0}
    picture = Picture(noise(20, 30, channels))
    out = restorer(picture, **level)  # type: ignore[arg-type]
    assert out.pixels.shape == picture.pixels.shape
    assert not np.array_equal(out.pixels, picture.pixels)


@pytest.mark.parametrize(
    "array",
    [np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20)), np.zeros((3, 20, 20)), np.zeros((20, 20, 4))],
)
def test_arrays_that_a_network_would_misread_are_refused(array: np.ndarray, load: Load) -> None:
    """Bytes were taken for light up to 255 times white; the others ended in an error of PyTorch."""
    with pytest.raises(ValueError, match=r"^pixels are \(H, W, 1 or 3\) floats in 0..1, not \(.*\) of "):
        load().run(array)


def test_levels_are_needed_and_matter(load: Load) -> None:
    restorer = load("denoise", scale=1, levels=1)
    array = to_unit(noise(20, 20, 3))
    assert not np.allclose(restorer.run(array, sigma=5), restorer.run(array, sigma=60))
    with pytest.raises(UsageError, match="--sigma"):
        restorer.run(array)
    with pytest.raises(UsageError, match="-q"):
        load("dejpeg", scale=1, levels=1).run(array)


def test_progress_of_several_steps_and_turns_ends_at_the_total(load: Load) -> None:
    seen: list[tuple[int, int]] = []
    load(factor=4).run(to_unit(noise(8, 8, 3)), tta=True, progress=lambda *now: seen.append(now))
    assert len(seen) == 2 * 8 * 2 and seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_models_that_do_not_fit_are_named(load: Load, tmp_path: Path, store: WeightStore) -> None:
    with pytest.raises(UsageError, match="upscaling by 2"):
        load("denoise", scale=2)
    with pytest.raises(UsageError, match="not for upscale"):
        load("upscale", scale=1, levels=1)
    with pytest.raises(WeightsError, match="no weights"):
        Restorer.load("upscale", scale=2, store=store)
    with pytest.raises(UsageError, match="no such task"):
        Restorer.load("sharpen", store=store)
    (tmp_path / "other.safetensors").write_bytes(save_network(tiny_network())[:-1])
    with pytest.raises(WeightsError, match="other"):
        Restorer.load("upscale", scale=2, model=str(tmp_path / "other.safetensors"), store=store)


def test_weights_are_identified(load: Load) -> None:
    restorer = load(factor=4)
    assert restorer.name == "tiny" and len(restorer.sha256) == 64 and len(restorer.entries) == 1
    assert (restorer.device, restorer.precision, restorer.scale) == ("cpu", "fp32", 4.0)


def test_a_color_network_hears_of_the_noise_that_gray_pictures_share(load: Load) -> None:
    """Three equal channels have one noise: √3 times as strong in their mean as independent noise would be."""
    restorer = load("denoise", 1, scale=1, levels=1)
    gray = RANDOM.random((20, 30, 1), dtype=np.float32)
    equal = np.repeat(gray, 3, axis=2)
    stronger = rgb_to_ycc(restorer.run(equal, sigma=10 * 3**0.5, clipped=False))[..., :1]
    same = rgb_to_ycc(restorer.run(equal, sigma=10, clipped=False))[..., :1]
    found = restorer.run(gray, sigma=10, clipped=False)
    np.testing.assert_allclose(found, stronger, atol=1e-6)
    assert np.abs(found - same).max() > 1e-4


def test_noise_too_strong_for_a_color_network_in_gray_is_warned_of_once(
    tmp_path: Path, store: WeightStore
) -> None:
    """√3 times 43.3 is 75, the strongest noise that networks know: beyond, all gray pictures came out the same."""
    said: list[str] = []
    gray, color = Picture(noise(20, 30, 1)), Picture(noise(20, 30, 3))
    for channels in (3, 1):
        weights = tiny_weights(tmp_path / f"tiny{channels}.safetensors", scale=1, channels=channels, levels=1)
        options = {"device": "cpu", "store": store, "notice": said.append}
        restorer = Restorer.load("denoise", model=str(weights), **options)  # type: ignore[arg-type]
        for picture, sigma in ((gray, 43.0), (color, 75.0), (gray, 44.0), (gray, 44.0)):
            restorer(picture, sigma=sigma)
    (line,) = said
    assert line.startswith("sigma 44 in a gray picture: tiny3 is for color ones, and is told 43, the most ")
    assert line.endswith("; use a gray network, such as denoise-gray")


def test_a_gray_network_denoises_each_channel_by_itself(load: Load) -> None:
    """Each has noise of its own; JPEG's loss of detail is in the luma."""
    array = RANDOM.random((50, 60, 3), dtype=np.float32)
    planes = np.split(array, 3, axis=2)
    seen: list[tuple[int, int]] = []
    restorer = load("denoise", 1, scale=1, channels=1, levels=1)
    found = restorer.run(array, sigma=20, clipped=False, progress=lambda *now: seen.append(now))
    apart = np.concatenate([restorer.run(plane, sigma=20, clipped=False) for plane in planes], axis=2)
    np.testing.assert_allclose(found, apart, atol=1e-6)
    assert seen[-1][0] == seen[-1][1] and [done for done, _ in seen] == sorted(done for done, _ in seen)
    options = RestoreOptions(sigma=20)
    bands = restorer.bands(picture_bands(array), np.float32, options, progress=lambda *now: seen.append(now))
    np.testing.assert_allclose(collect(bands, np.float32), apart, atol=1e-6)
    assert seen[-1][0] == seen[-1][1]
    luma = load("dejpeg", 1, scale=1, channels=1, levels=1).run(array, quality=20, clipped=False)
    np.testing.assert_allclose(rgb_to_ycc(luma)[..., 1:], rgb_to_ycc(array)[..., 1:], atol=1e-5)


@pytest.mark.parametrize("strength", [1.0, 0.5])
@pytest.mark.parametrize("way", ["whole", "bands"])
def test_eight_bits_in_sixteen_become_what_eight_bits_become(
    way: str, strength: float, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "bands":
        monkeypatch.setattr(Restorer, "float_bytes", lambda *_: 1 << 60)
    restorer, eight = load(), noise(40, 50, 3)
    expected = restorer(Picture(eight), strength=strength).pixels
    found = restorer(Picture(eight.astype(np.uint16), white=White(255, 255)), strength=strength)
    assert found.pixels.dtype == np.uint16 and found.white == White(255, 255)
    assert np.array_equal(found.pixels, expected)


@pytest.mark.parametrize("way", ["whole", "bands"])
def test_a_dark_picture_keeps_its_scale_its_alpha_and_what_goes_beyond_white(
    way: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer = load()
    pixels = (RANDOM.random((40, 50, 3)) ** 0.2 * 4000).astype(np.uint16)
    alpha = np.full((40, 50), 65_535, np.uint16)
    raw = restorer.run(to_unit(pixels, White(4095, 65_535)), clipped=False)
    spread_excess(raw, 65_535 / 4095)
    assert raw.max() > 1, "nothing goes beyond"
    if way == "bands":
        monkeypatch.setattr(Restorer, "float_bytes", lambda *_: 1 << 60)
    found = restorer(Picture(pixels, alpha, white=White(4095, 65_535)))
    assert np.abs(found.pixels - (raw * 4095).clip(0, None)).max() < 2
    assert found.alpha is not None and (found.alpha == 65_535).all()
    ended = restorer(Picture(pixels, white=White(4095, 4095)))
    assert ended.pixels.max() == 4095


def test_what_is_black_stays_black(load: Load) -> None:
    """Of an untrained network, a hundredth of white; of 65535 that is 655."""
    black = np.zeros((30, 30, 3), np.uint16)
    raw = load().run(black.astype(np.float32))
    found = load()(Picture(black, white=White(255, 65_535)))
    assert found.pixels.max() <= np.ceil(255 * max(0, raw.max()))
