"""Which files are pictures of a benchmark set: scores on pictures that were trained on say nothing."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from nsr_cli.datasets.registry import Registry
from nsr_cli.fetch import hash_file


def benchmark_pictures(files: Iterable[Path], registry: Registry) -> Counter[str]:
    """How many of the files are published pictures of each benchmark set, by the set's name.

    They are recognized by their content, not by name, so pictures that were saved again are not found. Only files as
    long as a published one are read; unreadable ones are skipped.
    """
    published: dict[int, dict[str, str]] = {}  # length -> sha256 -> set
    for one in registry.sets:
        for file in one.files if one.kind == "benchmark" else ():
            published.setdefault(file.bytes, {}).setdefault(file.sha256, one.name)
    found = Counter[str]()
    for path in files:
        try:
            same_length = published.get(path.stat().st_size)
            name = same_length.get(hash_file(path)) if same_length else None
        except OSError:
            continue
        if name is not None:
            found[name] += 1
    return found
