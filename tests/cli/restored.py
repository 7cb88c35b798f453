"""Run the real command in this process, and read its results with other libraries than it uses for them."""

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageSequence

from tests.cli.kinds import WIDTH, Case, Samples, cases, file_of
from tests.tiny import tiny_weights

FRAMES = 3
PLAIN = ("upscale", "--scale", "2", "--strength", "0")  # the plain bicubic resize: every pixel is known


@dataclass(frozen=True, slots=True)
class Result:
    """A result as other libraries see it: colors (H, W, C) and alpha in their depth, and metadata."""

    form: str
    pixels: Samples
    alpha: Samples | None
    icc: bytes | None
    dpi: tuple[float, float] | None
    orientation: int

    @property
    def text(self) -> str:
        """What the pixels are, such as `RGB 8 + alpha`."""
        bits = "float" if self.pixels.dtype.kind == "f" else str(8 * self.pixels.dtype.itemsize)
        kind = "gray" if self.pixels.shape[2] == 1 else "RGB"
        return f"{kind} {bits}" + ("" if self.alpha is None else " + alpha")


@dataclass(frozen=True, slots=True)
class Harvest:
    """What became of every case, and of files that hold several pictures."""

    code: int
    """The exit code of the run over all cases."""
    said: str
    """What that run said."""
    results: dict[str, Path]
    """By the name of the case."""
    several: dict[str, tuple[Path, Path]]
    """By the name of a film: what is made of it by default and with `--all-frames`."""


def harvest(folder: Path) -> Harvest:
    """Restore every case in one run, and the files of several pictures in two more, all below `folder`."""
    model = tiny_weights(folder / "tiny.safetensors")
    for name in ("in", "several"):
        (folder / name).mkdir()
    for case in cases():
        (folder / "in" / case.name).write_bytes(case.data)
    for name, data in films().items():
        (folder / "several" / name).write_bytes(data)
    options = (*PLAIN, "--model", str(model))
    code, said = run(folder, *options, "in", "-o", "out")
    results = {case.name: _made(folder / "out", case.name) for case in cases()}
    _, first = run(folder, *options, "several", "-o", "first")
    run(folder, *options, "several", "-o", "every", "--all-frames")
    several = {name: (_made(folder / "first", name), _made(folder / "every", name)) for name in films()}
    return Harvest(code, said + first, results, several)


def run(folder: Path, *args: str) -> tuple[int, str]:
    """Run `nsr ARGS` in `folder`; its exit code and what it said."""
    from nsr_cli.cli.app import _guarded
    from nsr_cli.terminal.console import Console

    with contextlib.chdir(folder), contextlib.redirect_stderr(io.StringIO()) as said, _no_settings(folder):
        code = _guarded(list(args), Console())
    return code, said.getvalue()


@contextlib.contextmanager
def _no_settings(folder: Path) -> Iterator[None]:
    """Without the settings of whoever runs this."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("NSR_")]:
        del os.environ[name]
    os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_CACHE_HOME"] = str(folder / "home")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _made(folder: Path, name: str) -> Path:
    """The result of a file, whatever its format; a path that does not exist if there is none."""
    own = folder / name
    return own if own.exists() else own.with_suffix(".png")


def films() -> dict[str, bytes]:
    """Files that hold several pictures."""
    pages = [Image.new("RGB", (WIDTH + i, 8), color_of(i)) for i in range(FRAMES)]
    frames = [Image.new("RGB", (WIDTH, 8), color_of(i)) for i in range(FRAMES)]
    found = {"pages.tif": file_of(pages[0], "TIFF", save_all=True, append_images=pages[1:])}
    options: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 100}
    found["webp.webp"] = file_of(frames[0], "WEBP", lossless=True, **options)
    for name, form in (("gif.gif", "GIF"), ("apng.png", "PNG")):
        found[name] = file_of(frames[0], form, **options)
    return found


def color_of(number: int) -> tuple[int, int, int]:
    """The color all over a page or frame."""
    return 80 * number, 20, 90


def pictures(path: Path) -> list[Samples]:
    """Every page or frame of a result, in RGB."""
    with Image.open(path) as image:
        return [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


def warned(name: str, said: str) -> bool:
    """Whether it was said that only the first picture of a film was taken."""
    return any(f"{name}: first of {FRAMES} " in line and "--all-frames" in line for line in said.splitlines())


def read(path: Path) -> Result:
    """A result that is a PNG, BMP or TIFF file."""
    if path.suffix == ".tif":
        return _read_tiff(path)
    with Image.open(path) as image:
        exif, info, form = image.getexif(), image.info, image.format or ""
        samples = np.array(image)
    if form == "PNG" and path.read_bytes()[24] == 16 and samples.ndim == 3:
        import imagecodecs

        samples = imagecodecs.png_decode(path.read_bytes())  # Pillow would take 8 bits of it
    dpi = (float(info["dpi"][0]), float(info["dpi"][1])) if "dpi" in info else None
    return Result(form, *_split(samples), info.get("icc_profile"), dpi, exif.get(0x0112, 1))


def _read_tiff(path: Path) -> Result:
    import tifffile

    with tifffile.TiffFile(path) as file:
        tags: Any = file.pages[0].tags  # type: ignore[union-attr]
        samples = file.pages[0].asarray()
        dots = [tags[name].value for name in ("XResolution", "YResolution") if name in tags]
        icc = tags["InterColorProfile"].value if "InterColorProfile" in tags else None
        orientation = int(tags["Orientation"].value)
    dpi = (dots[0][0] / dots[0][1], dots[1][0] / dots[1][1]) if dots else None
    return Result("TIFF", *_split(samples), icc, dpi, orientation)


def _split(samples: Samples) -> tuple[Samples, Samples | None]:
    if samples.ndim == 2:
        return samples[..., np.newaxis], None
    return (samples, None) if samples.shape[2] == 3 else (samples[..., :-1], samples[..., -1])


def described(case: Case, found: Harvest) -> str:
    """The cell of the table: what the result is."""
    made = read(found.results[case.name])
    return f"{made.form}, {made.text}"
