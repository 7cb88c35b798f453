"""Commands as the project's pages show them: without the paths of one machine."""

import shlex
from collections.abc import Iterable
from pathlib import Path

_OWN = "docs/"  # paths in there are the repository's, and are not shortened


def shown(words: Iterable[str]) -> str:
    """A command with files and folders by their names alone."""
    return shlex.join(map(_named, words))


def _named(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    named = Path(value).name if "/" in value and not value.startswith(_OWN) else value
    return option + equals + named
