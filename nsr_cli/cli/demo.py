"""`nsr demo`: see on one picture what the tool does, without any file of one's own."""

import time
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsr_cli.cli.commands import console_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

app = typer.Typer()

SCALE = 2
LABEL_HEIGHT = 24  # pixels above the pictures that stand side by side


@app.command("demo")
def demo(
    ctx: typer.Context,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the pictures.")] = Path(
        "nsr-demo"
    ),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
) -> None:
    """Shrink the sample picture, enlarge it again, and compare with bicubic interpolation.

    \b
    Examples:
      nsr demo
      nsr demo -o /tmp/look

    Writes input.png (the small picture), bicubic.png, restored.png and compare.png (both side by side).
    """
    from nsr_cli.datasets.registry import PictureSet
    from nsr_cli.evaluate import Baseline, Case, degraded, score
    from nsr_cli.imaging.codec import decode
    from nsr_cli.imaging.color import from_unit
    from nsr_cli.restore import Restorer

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
    paths = save(pictures, output)
    before, after = score(bicubic, original, case)[0], score(restored, original, case)[0]
    height, width = restored.shape[:2]
    console_of(ctx).data(
        f"wrote {paths['restored']} ({width}x{height}, x{SCALE}) in {seconds:.2f} s, {after - before:+.2f} dB"
        f" over bicubic ({before:.2f} to {after:.2f} dB); side by side: {paths['compare']}"
    )


def save(pictures: "dict[str, NDArray[np.uint8]]", folder: Path) -> dict[str, Path]:
    """Write each (H, W, 3) as `folder/NAME.png`; WriteError if that cannot be done."""
    from nsr_cli.files import write_atomic, write_error
    from nsr_cli.imaging.codec import encode
    from nsr_cli.imaging.picture import Picture

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error
    paths = {name: folder / f"{name}.png" for name in pictures}
    for name, pixels in pictures.items():
        write_atomic(paths[name], encode(Picture(pixels), "PNG"))
    return paths


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
