"""`nsr demo`: show on a sample picture what the tool does."""

import time
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsr_cli.cli.commands import console_of
from nsr_cli.options.common import Device, PrecisionChoice
from nsr_cli.options.files import DemoExists, parse_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nsr_cli.planning.single import Target

SCALE = 2
NAMES = ("input", "bicubic", "restored", "compare")
LABEL_HEIGHT = 24  # pixels above the pictures that are side by side


def demo(
    ctx: typer.Context,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", parser=parse_folder, metavar="PATH", help="Folder for the pictures."),
    ] = Path("nsr-demo"),
    if_exists: DemoExists = None,
    device: Device = "auto",
    precision: PrecisionChoice = "auto",
) -> None:
    """Shrink the sample picture, enlarge it again, and compare with bicubic interpolation.

    \b
    Examples:
      nsr demo
      nsr demo -o /tmp/look

    Writes input.png (the small picture), bicubic.png, restored.png and compare.png (both side by side). They
    belong together: if one of them already exists, none is written unless --if-exists says so.
    """
    from nsr_cli.datasets.registry import PictureSet
    from nsr_cli.evaluate import Baseline, Case, degraded, score
    from nsr_cli.imaging.codec import decode
    from nsr_cli.imaging.color import from_unit
    from nsr_cli.restore import Restorer

    console = console_of(ctx)
    targets = _targets(output, if_exists or "skip")
    there = [target for target in targets.values() if target.there]
    if there:
        console.note(
            f"skipped, {there[0].label} already exists: choose another folder with -o, or replace it with "
            "--if-exists overwrite"
        )
        return
    original = decode((resources.files("nsr_cli") / "sample" / "sample.png").read_bytes()).pixels
    case = Case(PictureSet("sample", "benchmark", "rgb", 1), "upscale", SCALE)
    small = degraded(original, case, "sample")
    restorer = Restorer.load("upscale", scale=SCALE, device=device, precision=precision)
    start = time.perf_counter()
    restored = from_unit(restorer.run(small), original.dtype)
    seconds = time.perf_counter() - start
    bicubic = from_unit(Baseline("bicubic", SCALE).run(small), original.dtype)

    pictures = {"input": from_unit(small, original.dtype), "bicubic": bicubic, "restored": restored}
    pictures["compare"] = side_by_side({"bicubic": bicubic, "nsr": restored})
    save(pictures, targets)
    before, after = score(bicubic, original, case)[0], score(restored, original, case)[0]
    height, width = restored.shape[:2]
    console.data(
        f"wrote {targets['restored'].label} ({width}x{height}, x{SCALE}) in {seconds:.2f} s, {after - before:+.2f} dB"
        f" over bicubic ({before:.2f} to {after:.2f} dB); side by side: {targets['compare'].label}"
    )


def _targets(folder: Path, rule: str) -> "dict[str, Target]":
    """Where the pictures go; UsageError or WriteError, as for `single.place`, if that is impossible."""
    from nsr_cli.planning.single import Target, checked

    return {name: checked(Target(folder / f"{name}.png", "PNG"), rule) for name in NAMES}


def save(pictures: "dict[str, NDArray[np.uint8]]", targets: "dict[str, Target]") -> None:
    """Write each picture (H, W, 3) to its target. Raises WriteError."""
    from nsr_cli.imaging.codec import encode
    from nsr_cli.imaging.picture import Picture
    from nsr_cli.planning.single import write

    for name, pixels in pictures.items():
        write(targets[name], encode(Picture(pixels), "PNG"))


def side_by_side(pictures: "dict[str, NDArray[np.uint8]]") -> "NDArray[np.uint8]":
    """Put pictures (H, W, 3) of one size beside each other, each with its name above it."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    gap = 8
    height, width = next(iter(pictures.values())).shape[:2]
    sheet = Image.new("RGB", (len(pictures) * (width + gap) - gap, height + LABEL_HEIGHT), "white")
    draw: Any = ImageDraw.Draw(sheet)
    for i, (name, pixels) in enumerate(pictures.items()):
        left = i * (width + gap)
        draw.text((left + width / 2, LABEL_HEIGHT / 2), name, "black", ImageFont.load_default(16), "mm")
        sheet.paste(Image.fromarray(pixels), (left, LABEL_HEIGHT))
    return np.asarray(sheet)
