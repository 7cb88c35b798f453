"""Names for the rows of a table that tell apart what has the same name in several folders."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nsr_cli.shown import safe_text


def told_apart(names: Sequence[str], paths: Sequence[Path | None]) -> list[str]:
    """The names, those that are shared with as much of their folders before them as makes them different.

    Args:
        names: what stands in a table, such as `x2` of A/x2 and `x2` of B/x2, which become `A/x2` and `B/x2`.
        paths: where each is, the same twice or not at all; None for what is not at a path.
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
