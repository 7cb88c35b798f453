"""PSNR with and without spreading what clipping cuts off over the pixels around (engine/clipping.py).

    python tools/clipping_gain.py --data benchmarks/ > docs/results/50-clipping.json

Restores the pictures of BSD100 in color with the bundled weights, twice each, and prints tables for
`tools/make_results.py`.
"""

import argparse
import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsr_cli.datasets import DataStore
from nsr_cli.datasets.registry import PictureSet, load_registry
from nsr_cli.evaluate import Case, evaluate_set
from nsr_cli.evaluate.models import Unit
from nsr_cli.restore import Restorer


@dataclass(frozen=True, slots=True)
class Cut:
    """A restorer whose result is clipped without spreading."""

    restorer: Restorer
    name: str = "clipped"

    @property
    def sha256(self) -> str:
        """Digest of the weights."""
        return self.restorer.sha256

    def run(self, array: Unit, *, sigma: float | None = None, quality: int | None = None) -> Unit:
        """As `Restorer.run`."""
        return self.restorer.run(array, sigma=sigma, quality=quality, clipped=False)


def cases(pictures: PictureSet) -> list[tuple[Case, str]]:
    """The cases to score, and the weights for each."""
    return [
        *((Case(pictures, "upscale", scale=scale), f"upscale-x{scale}-lite") for scale in (2, 3, 4)),
        *(
            (Case(pictures, "denoise", sigma=sigma, color="rgb"), "denoise-rgb-lite")
            for sigma in (15.0, 50.0)
        ),
        *((Case(pictures, "dejpeg", quality=q, color="rgb"), "dejpeg-rgb-lite") for q in (10, 40)),
    ]


def line(case: Case, model: str, images: list[Path]) -> list[str]:
    """One line of the table."""
    scale = case.scale if case.task == "upscale" else None
    restorer = Restorer.load(case.task, scale=scale, model=model, device="cpu", precision="fp32")
    given, cut = evaluate_set([(case, [restorer, Cut(restorer)])], images)
    level = {"upscale": "", "denoise": f" σ {case.level:g}", "dejpeg": f" q {case.level:g}"}[case.task]
    return [
        f"{model}{level}",
        f"{cut.psnr:.3f}",
        f"{given.psnr:.3f}",
        f"{given.psnr - cut.psnr:+.3f}",
        f"{cut.ssim:.4f}",
        f"{given.ssim:.4f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with BSD100")
    parser.add_argument("--limit", type=int, default=20, help="pictures, the first of the set (20)")
    options = parser.parse_args()
    pictures = load_registry().get("BSD100")
    images = DataStore(options.data).find_images("BSD100")[: options.limit]
    table: dict[str, Any] = {
        "title": f"The first {len(images)} pictures of BSD100",
        "header": ["weights", "PSNR clipped", "PSNR spread", "gain dB", "SSIM clipped", "SSIM spread"],
        "rows": [line(case, model, images) for case, model in cases(pictures)],
        "notes": [],
    }
    about = (
        "A network goes a little below black and above white. What clipping cuts off there is spread over the pixels "
        "around before (5×5, `nsr_cli/engine/clipping.py`), so that mean colors stay; chosen on training pictures. "
        "The paper's networks are clipped as they are. Upscaling is scored on Y, noise and JPEG on RGB."
    )
    command = shlex.join(["python", "tools/clipping_gain.py", "--limit", str(options.limit)])
    page = {"kind": "tables", "title": "Clipping", "command": command, "about": about, "tables": [table]}
    sys.stdout.write(json.dumps(page, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
