"""Words in messages: names of files, which may hold anything, typing errors, and how many there are of something."""

import os
import unicodedata
from collections.abc import Collection, Iterable

_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})


def safe_text(text: str | os.PathLike[str]) -> str:
    """Return `text` so that printing it cannot move the cursor, break the line or raise.

    Control characters, terminal escapes, undecodable bytes, line separators and writing-direction controls
    become backslash escapes. Everything else stays, square brackets included: print it with markup off.
    """
    return "".join(_visible(char) for char in os.fspath(text))


def _visible(char: str) -> str:
    if char.isascii() and char.isprintable():
        return char
    if unicodedata.category(char) not in _HIDDEN_CATEGORIES and char not in _BIDI_CONTROLS:
        return char
    if 0xDC80 <= ord(char) <= 0xDCFF:  # how Python carries a byte of a name that is not UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii") if ord(char) < 0xD800 else f"\\u{ord(char):04x}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 window`, `2 windows`; `plural` if it is not the noun with an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"


def there_are(word: str, choices: Collection[str]) -> str:
    """`did_you_mean`, or "; there are ..." with all choices if none resembles `word`."""
    return did_you_mean(word, choices) or f"; there are {', '.join(choices)}"


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return "; did you mean ...?" for messages, or nothing if no choice resembles `word`."""
    import difflib  # only now: it would take a seventh of the time of `nsr --help`

    by_lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]}?" if close else ""
