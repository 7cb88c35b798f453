"""Name file contents that nothing here reads, such as the measurements of a thermal camera in private TIFF tags."""

from collections.abc import Iterable

_MOST_NAMED = 5


def content_of(place: str, names: Iterable[str]) -> tuple[str, ...]:
    """A phrase for `Metadata.left_out` about the content of such places; empty without any.

    Args:
        place: what each is, such as "TIFF tag".
        names: which ones; only the first few are listed.
    """
    found = list(dict.fromkeys(names))
    if not found:
        return ()
    named = ", ".join(found[:_MOST_NAMED]) + (" and more" if len(found) > _MOST_NAMED else "")
    return (f"the content of its {place}{'s' if len(found) > 1 else ''} ({named})",)
