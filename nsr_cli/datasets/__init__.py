"""Named picture sets: what there is (`registry`) and where its pictures are (`store`)."""

from nsr_cli.datasets.pictures import list_pictures
from nsr_cli.datasets.registry import PictureSet, Registry, load_registry
from nsr_cli.datasets.store import DataStore, Finding

__all__ = ["DataStore", "Finding", "PictureSet", "Registry", "list_pictures", "load_registry"]
