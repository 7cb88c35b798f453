r"""A benchmark's rows as LaTeX, to be pasted into a paper: plain `tabular`, which needs no package."""

import re
from collections.abc import Mapping, Sequence

from nsr_cli.evaluate import Row
from nsr_cli.scoreboard.scores import NUMBERS, note, tables

_SPECIAL = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{char: f"{{{char}}}" for char in "[*"},  # behind the end of a row, LaTeX would take them for its own
}
_SYMBOLS = ((re.compile(r"^x(?=\d)"), r"$\\times$"), (re.compile(r"^sigma "), r"$\\sigma$ "))


def as_latex(rows: Sequence[Row], made: Mapping[str, str], *, per_image: bool = False) -> str:
    """Return a `tabular` and, as a comment, what `made_by` says; with `per_image` also one of the single pictures.

    Figures of a column have equally many decimals, so that they are aligned by their points.
    """
    parts = [_tabular(table) for table in tables(rows, per_image=per_image)]
    return "\n\n".join([*parts, f"% {note(made)}"])


def _tabular(table: list[list[str]]) -> str:
    titles, *lines = table
    columns = "".join("r" if title in NUMBERS else "l" for title in titles)
    rows = "\n".join(_row(line, titles) for line in lines)
    head = f"\\begin{{tabular}}{{{columns}}}\n\\hline\n{_row(titles, titles)}\n\\hline"
    return f"{head}\n{rows}\n\\hline\n\\end{{tabular}}"


def _row(cells: Sequence[str], titles: Sequence[str]) -> str:
    return " & ".join(_cell(cell, title) for cell, title in zip(cells, titles, strict=True)) + r" \\"


def _cell(text: str, title: str) -> str:
    escaped = "".join(_SPECIAL.get(char, char) for char in text)
    if title == "level":
        for words, symbol in _SYMBOLS:
            escaped = words.sub(symbol, escaped)
    return escaped
