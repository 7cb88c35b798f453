"""Published weights: what there is (`manifest`) and verified bytes of it (`store`), without torch."""

from nsr_cli.weights.entry import WeightEntry
from nsr_cli.weights.manifest import Manifest, add_entry, load_manifest, parse_manifest
from nsr_cli.weights.store import Finding, WeightStore

__all__ = [
    "Finding",
    "Manifest",
    "WeightEntry",
    "WeightStore",
    "add_entry",
    "load_manifest",
    "parse_manifest",
]
