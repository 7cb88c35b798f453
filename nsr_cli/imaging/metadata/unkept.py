"""Names for what a file holds in places of its own that nothing here reads, such as what a thermal camera measured."""

from collections.abc import Iterable

_MOST_NAMED = 5


def content_of(place: str, names: Iterable[str]) -> tuple[str, ...]:
    """The content of such places, as `Metadata.left_out` has it; empty without any.

    Args:
        place: what each is, such as "TIFF tag".
        names: which they are; of many some are said.
    """
    found = list(dict.fromkeys(names))
    if not found:
        return ()
    named = ", ".join(found[:_MOST_NAMED]) + (" and more" if len(found) > _MOST_NAMED else "")
    return (f"the content of its {place}{'s' if len(found) > 1 else ''} ({named})",)
