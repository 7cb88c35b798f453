"""Distinct names for the rows of a table, if things in several folders have the same name."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nsr_cli.shown import safe_text


def told_apart(names: Sequence[str], paths: Sequence[Path | None]) -> list[str]:
    """The names, with as many of their parent folders in front as it takes to make shared ones different.

    Args:
        names: the names in a table, such as `x2` of A/x2 and `x2` of B/x2, which become `A/x2` and `B/x2`.
        paths: the path of each; None for what has none.
    """
    shown = list(names)
    longest = max((len(path.parts) for path in paths if path is not None), default=0)
    for count in range(1, longest):
        shared = {name for name, times in Counter(shown).items() if times > 1}
        for place, path in enumerate(paths):
            if shown[place] in shared and path is not None:
                above = Path(*path.parent.parts[-count:]).as_posix().removesuffix("/")
                shown[place] = f"{safe_text(above)}/{names[place]}"
        if not shared:
            break
    return shown
