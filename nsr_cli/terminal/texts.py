"""Small texts that several commands print: columns, sizes and times."""

from collections.abc import Collection, Iterator, Sequence


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> Iterator[str]:
    """Yield each row as a line with columns of equal width, those in `right` flush right."""
    for cells in padded(rows, right):
        yield "  ".join(cells).rstrip()


def padded(rows: Sequence[Sequence[str]], right: Collection[int]) -> Iterator[list[str]]:
    """Yield each row with its cells filled up to the width of their column, those in `right` flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]


def human_bytes(count: int) -> str:
    """`999 B`, `1.5 kB`, `12 MB`: decimal units, two digits at least."""
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if round(size) < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.1f} {unit}" if round(size, 1) < 10 and unit != "B" else f"{size:.0f} {unit}"


def human_duration(seconds: float) -> str:
    """`2.5 s`, `3 min 20 s`, `4 h 5 min`."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
