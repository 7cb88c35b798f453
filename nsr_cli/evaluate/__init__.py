"""Picture sets and models to scores: the measuring protocol, stated once.

    file -> original, 8 bit -> degraded, in [0, 1] -> model -> restored, 8 bit -> PSNR, SSIM
            crop, gray?        bicubic | noise | JPEG                            shave, Y?

| task         | degraded by                               | scored on                           | shaved        |
|--------------|-------------------------------------------|-------------------------------------|---------------|
| upscale      | MATLAB bicubic, rounded to 8 bit          | Y; DIV2K on RGB                     | scale; +6 RGB |
| denoise      | noise in float, not clipped, seed by name | RGB; gray sets and Urban100 on gray | none          |
| dejpeg       | libjpeg's standard tables                 | gray, which is Y rounded to 8 bit   | none          |
| color dejpeg | the same, chroma at 4:2:0 or 4:4:4        | PSNR on RGB and on Y, SSIM on Y     | none          |

Y is BT.601 studio range and not rounded after restoration; gray pictures are scored as they are stored. Gray pictures
in three equal channels count as color here, as in the papers, though the restoring commands treat them as gray. A
set's score is the mean of its pictures' scores. What the papers score on gray pictures can be scored in color, and
vice versa (`Case.color`); the paper's scores are then not shown.
"""

from nsr_cli.evaluate.layout import place
from nsr_cli.evaluate.models import Baseline, Named
from nsr_cli.evaluate.protocol import (
    Case,
    Color,
    Shape,
    Task,
    check_size,
    decoded,
    degraded,
    original,
    score,
)
from nsr_cli.evaluate.results import Results, find_results
from nsr_cli.evaluate.rows import PictureScore, Row, paper_scores
from nsr_cli.evaluate.scoring import Scored, evaluate, evaluate_set

__all__ = [
    "Baseline", "Case", "Color", "Named", "PictureScore", "Results", "Row", "Scored", "Shape", "Task", "check_size",
    "decoded", "degraded", "evaluate", "evaluate_set", "find_results", "original", "paper_scores", "place", "score",
]  # fmt: skip
