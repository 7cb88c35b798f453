"""Commands as the project's pages show them: without what holds on one machine alone."""

import shlex
from collections.abc import Iterable
from pathlib import Path

_OWN = "docs/"  # what lies there is the repository's, and stays as it is


def shown(words: Iterable[str]) -> str:
    """A command whose files and folders go by their names alone."""
    return shlex.join(map(_named, words))


def _named(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    named = Path(value).name if "/" in value and not value.startswith(_OWN) else value
    return option + equals + named
