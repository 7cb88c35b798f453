r"""The table of `nsr eval --latex`, as LaTeX will read it."""

import re

from nsr_cli.evaluate import PictureScore, Row
from nsr_cli.scoreboard.latex import as_latex

MADE = {"version": "1.2", "torch": "2.9", "device": "cpu", "precision": "fp32"}


def row(**changes: object) -> Row:
    values: dict[str, object] = {
        "set": "Set5", "task": "upscale", "scale": 2, "sigma": None, "quality": None, "model": "upscale-x2",
        "model_sha256": None, "images": 5, "psnr": 37.981, "ssim": 0.96041, "seconds_per_image": 0.25,
        "paper": {"Sparse +": {"psnr": 38.02, "ssim": 0.961}},
    }  # fmt: skip
    return Row(**(values | changes))  # type: ignore[arg-type]


def test_a_table_is_a_tabular_with_the_run_as_a_comment() -> None:
    hard = row(set="[my_set]/", task="denoise", scale=None, sigma=25.0, model="50%&~^\\{}#$.x", paper=None)
    name = r"50\%\&\textasciitilde{}\textasciicircum{}\textbackslash{}\{\}\#\$.x"
    assert as_latex([row(), hard], MADE).splitlines() == [
        r"\begin{tabular}{lllrrrrl}",
        r"\hline",
        r"set & level & model & pictures & PSNR dB & SSIM & s/picture & paper (dB / SSIM) \\",
        r"\hline",
        r"Set5 & $\times$2 & upscale-x2 & 5 & 37.98 & 0.9604 & 0.250 & Sparse + 38.02 / 0.9610 \\",
        rf"{{[}}my\_set]/ & $\sigma$ 25 & {name} & 5 & 37.98 & 0.9604 & 0.250 & - \\",
        r"\hline",
        r"\end{tabular}",
        "",
        "% nsr 1.2, torch 2.9, cpu, fp32.",
    ]


def test_single_pictures_have_a_table_of_their_own() -> None:
    one = PictureScore("x2_<a>.png", 30.0, 0.9, None)
    text = as_latex([row(pictures=(one,))], MADE, per_image=True)
    assert text.count(r"\begin{tabular}") == 2
    # Only in the column of levels does x2 mean a factor.
    assert (
        r"Set5 & $\times$2 & upscale-x2 & x2\_\textless{}a\textgreater{}.png & 30.00 & 0.9000 & - \\" in text
    )


def test_every_row_has_as_many_cells_as_the_table_has_columns() -> None:
    text = as_latex([row(task="dejpeg", quality=10, psnr_y=30.5, scale=None, model="a & b")], MADE)
    columns = re.search(r"tabular}{(\w+)}", text)
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert columns and len(lines) == 2
    assert all(len(re.split(r"(?<!\\)&", line)) == len(columns[1]) == 9 for line in lines)
