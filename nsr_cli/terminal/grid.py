"""A table drawn on a terminal.

This module loads Rich, so it is imported only when there is a table to draw.
"""

# ruff: noqa: TID253

from collections.abc import Container, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def draw(lines: Sequence[Sequence[str]], numbers: Container[str], color: bool) -> None:
    """Draw a table on stdout, which is a terminal.

    Args:
        lines: its cells, the header first; where the first cell changes, a new section begins.
        numbers: the titles of the columns that are flush right.
        color: whether it may have color.
    """
    titles, *rest = lines
    table = Table(box=box.SIMPLE_HEAD)
    for title in titles:
        table.add_column(title, justify="right" if title in numbers else "left")
    previous = None
    for line in rest:
        if previous not in (None, line[0]):
            table.add_section()
        previous = line[0]
        table.add_row(*(Text(cell) for cell in line))
    Console(no_color=not color, highlight=False).print(table)
