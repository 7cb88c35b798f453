"""Score the bundled weights again on the sets for which the manifest has scores, and update these.

    python tools/rescore.py --data benchmarks/ [NAME…]

For use after changes around the networks; `nsr weights publish` scores new weights by the same protocol.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nsr_cli.datasets import DataStore, load_registry
from nsr_cli.evaluate import Case, evaluate
from nsr_cli.restore import Restorer
from nsr_cli.training.recipe import find_task
from nsr_cli.training.validate import case_of
from nsr_cli.weights.manifest import add_entry, load_manifest

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = ROOT / "weights_manifest.json"


def case(entry: Mapping[str, Any], name: str, level: str | None) -> Case:
    """How the weights of an entry are scored on a set."""
    kind = f"x{entry['scale']}" if entry["task"] == "upscale" else entry["color"]
    task = find_task(f"{entry['task']}-{kind}")
    return case_of(task, load_registry().get(name), None if level is None else float(level))


def pictures_of(name: str, data: Path | None) -> list[Path]:
    """The pictures of a set; files known to differ are an error, as in `nsr weights publish`."""
    store = DataStore(data)
    finding = store.check_own(name)
    if finding is not None and finding.state not in ("ok", "unverified"):
        raise SystemExit(f"{name}: {finding.problems[0]} in {finding.folder}; get the set again")
    return store.find_images(name)


def scored(entry: Mapping[str, Any], name: str, level: str | None, data: Path | None) -> dict[str, float]:
    """The scores on one set at one level."""
    restorer = Restorer.load(
        entry["task"], scale=entry["scale"], model=entry["name"], device="cpu", precision="fp32"
    )
    return evaluate(case(entry, name, level), pictures_of(name, data), restorer).figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="weights; default: all that are bundled")
    parser.add_argument("--data", type=Path, help="folder with a folder for each set")
    options = parser.parse_args()
    for entry in load_manifest(MANIFEST).entries:
        if entry.bundled and (not options.names or entry.name in options.names):
            write(entry.name, scores_of(entry.as_json(), options.data))


def scores_of(entry: Mapping[str, Any], data: Path | None) -> dict[str, Any]:
    """New scores of an entry, in the structure of the old ones."""
    scores: dict[str, Any] = {}
    for name, before in entry["scores"].items():
        if entry["task"] == "upscale":
            scores[name] = scored(entry, name, None, data)
            print(f"{entry['name']} {name}: {before['psnr']} -> {scores[name]['psnr']}", flush=True)
            continue
        scores[name] = {}
        for level, old in before.items():
            scores[name][level] = scored(entry, name, level, data)
            print(
                f"{entry['name']} {name} {level}: {old['psnr']} -> {scores[name][level]['psnr']}", flush=True
            )
    return scores


def write(name: str, scores: dict[str, Any]) -> None:
    """Put scores into the manifest, which may have changed in the meantime."""
    add_entry(MANIFEST, replace(load_manifest(MANIFEST).get(name), scores=scores))


if __name__ == "__main__":
    main()
