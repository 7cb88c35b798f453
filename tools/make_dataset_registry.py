"""Turn a catalogue of public picture sets into the compact registry of the package.

    python tools/make_dataset_registry.py datasets.json [nsr_cli/datasets/registry.json]

For every set the catalogue lists repository, commit and files with length and sha256, and archives with their
addresses. The registry holds the same facts with one line a file, sorted by name.
"""

import json
import sys
from pathlib import Path, PurePosixPath
from typing import Any

DEFAULT_OUTPUT = Path(__file__).parents[1] / "nsr_cli" / "datasets" / "registry.json"


def compact(catalogue: dict[str, Any]) -> str:
    """Return the text of the registry."""
    sets = ",\n".join(f"{json.dumps(name)}: {_set(facts)}" for name, facts in catalogue["sets"].items())
    archives = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(facts)}" for name, facts in catalogue["archives"].items()
    )
    return (
        f'{{"template": {json.dumps(catalogue["url_template"])},\n"sets": {{\n{sets}}},\n'
        f'"archives": {{\n{archives}}}}}\n'
    )


def _set(facts: dict[str, Any]) -> str:
    paths = [PurePosixPath(file["path"]) for file in facts["files"]]
    folders = {str(path.parent) for path in paths}
    if len(folders) != 1 or len(paths) != facts["images"]:
        raise SystemExit(
            f"{facts['repo']}: the files lie in {len(folders)} folders, or their number is wrong"
        )
    head = {
        "color": facts["color"],
        "repo": facts["repo"],
        "commit": facts["commit"],
        "folder": folders.pop(),
    }
    rows = sorted(
        (PurePosixPath(file["path"]).name, file["bytes"], file["sha256"]) for file in facts["files"]
    )
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    return f'{json.dumps(head)[:-1]}, "files": [\n  {lines}]}}'


def main(arguments: list[str]) -> None:
    """Read the catalogue named on the command line and write the registry."""
    if len(arguments) not in (1, 2):
        raise SystemExit(__doc__)
    output = Path(arguments[1]) if len(arguments) == 2 else DEFAULT_OUTPUT
    text = compact(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    output.write_text(text, encoding="utf-8")
    print(f"{output}: {len(text.splitlines())} lines, {len(text)} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
