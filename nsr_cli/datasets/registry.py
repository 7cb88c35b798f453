"""The named picture sets: what they are for, where their files are, and what scoring has to know about them.

`registry.json` beside this module holds addresses, lengths and hashes; this module all other facts.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from nsr_cli.errors import UsageError
from nsr_cli.shown import did_you_mean, safe_text

Kind = Literal["benchmark", "training"]


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One picture of a set. `path` is its path on the set's server, `name` its file name here."""

    name: str
    path: str
    url: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip file that holds a whole set."""

    url: str
    bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class PictureSet:
    """A named set of pictures.

    Args:
        name: as papers write it.
        kind: whether it is for scoring or training; sets for scoring must never be trained on.
        color: `rgb` or `gray`.
        images: how many pictures the complete set has.
        files: its files, sorted by name; empty where it comes as an archive or not at all.
        archive: the zip file that holds it.
        aliases: other names that people use for it.
        scored_on: upscaled pictures are compared on luma (`y`) or on all channels (`rgb`).
        crop: long and short side in pixels; larger pictures are cut to their top left part of that size.
        note: what else a user should know.
        differs: whether its files here are known to differ from the published ones.
    """

    name: str
    kind: Kind
    color: Literal["rgb", "gray"]
    images: int
    files: tuple[RemoteFile, ...] = ()
    archive: Archive | None = None
    aliases: tuple[str, ...] = ()
    scored_on: Literal["y", "rgb"] = "y"
    crop: tuple[int, int] | None = None
    note: str = ""
    differs: bool = False

    @property
    def is_manual(self) -> bool:
        """Whether users have to get the set themselves."""
        return not self.files and self.archive is None

    @property
    def bytes(self) -> int:
        """Bytes that a download of the whole set takes."""
        return self.archive.bytes if self.archive else sum(file.bytes for file in self.files)

    def crop_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width of the top left part of a picture of this set that is scored."""
        if self.crop is None:
            return height, width
        long, short = self.crop
        most = (long, short) if height > width else (short, long)
        return min(height, most[0]), min(width, most[1])

    def is_called(self, name: str) -> bool:
        """Tell whether `name` means this set; case, dashes, dots and spaces do not matter."""
        return _key(name) in {_key(own) for own in (self.name, *self.aliases)}


_MANGA = (
    "licensed: ask its owners at http://www.manga109.org and point --data at the folder that holds Manga109/"
)

# What `registry.json` does not say, in the order in which `nsr data list` shows the sets.
_KNOWN: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "Set5": {},
        "Set14": {},
        "BSD100": {
            "aliases": ("B100", "BSDS100"),
            # Some collections hold the original JPEGs of 481x321, of which the published PNGs are a part.
            "crop": (480, 320),
        },
        "Urban100": {"aliases": ("U100",)},
        "Manga109": {"aliases": ("Manga",), "note": _MANGA, "images": 109},
        "DIV2K-valid": {"aliases": ("DIV2K", "DIV2K-val", "DIV2K_valid_HR", "DIV2K100"), "scored_on": "rgb"},
        "Sun-Hays80": {"aliases": ("SunHays", "Sun-Hays")},
        "Set12": {},
        "BSD68": {},
        "CBSD68": {},
        "Kodak24": {"aliases": ("Kodak",)},
        "McMaster": {"aliases": ("McM", "McMaster18")},
        "Classic5": {},
        "LIVE1": {"aliases": ("LIVE", "LIVE29")},
        "BSDS500-val": {
            "aliases": ("BSD500-val",),
            "note": "the originals of BSD100 and BSD68: for scoring, never for training",
        },
        "T91": {"kind": "training", "aliases": ("91-images", "91", "Yang91")},
        "BSDS500-train": {"kind": "training", "aliases": ("BSD500-train",)},
        "BSDS500-test": {"kind": "training", "aliases": ("BSD500-test",)},
        "DIV2K-train": {"kind": "training", "aliases": ("DIV2K_train_HR", "DIV2K800"), "scored_on": "rgb"},
    }
)


@dataclass(frozen=True, slots=True)
class Registry:
    """The sets by name; names and aliases are unique."""

    sets: tuple[PictureSet, ...]

    def get(self, name: str) -> PictureSet:
        """Return the set that `name` means; case, dashes and usual aliases do not matter.

        Raises:
            UsageError: there is none; the message suggests one.
        """
        for one in self.sets:
            if one.name == name:
                return one
        for one in self.sets:
            if one.is_called(name):
                return one
        names = [word for one in self.sets for word in (one.name, *one.aliases)]
        hint = did_you_mean(name, names) or "; `nsr data list` shows all names"
        raise UsageError(f"there is no picture set {safe_text(name)}{hint}")


def load_registry() -> Registry:
    """Read the registry of the package."""
    catalogue = json.loads(Path(__file__).with_name("registry.json").read_text(encoding="utf-8"))
    basic = {"kind": "benchmark", "color": "rgb"}
    sets = (
        PictureSet(name=name, **{**basic, **known, **_published(catalogue, name)})
        for name, known in _KNOWN.items()
    )
    return Registry(tuple(sets))


def _published(catalogue: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What `registry.json` says of a set, as fields of `PictureSet`; nothing of one that nobody may publish."""
    if name in catalogue["archives"]:
        one = catalogue["archives"][name]
        return {"archive": Archive(one["url"], one["bytes"], one["sha256"]), "images": one["images"]}
    if name not in catalogue["sets"]:
        return {}
    facts = catalogue["sets"][name]
    files = []
    for file, size, sha256 in facts["files"]:
        path = f"{facts['folder']}/{file}"
        url = catalogue["template"].format(repo=facts["repo"], commit=facts["commit"], path=path)
        files.append(RemoteFile(file, f"{facts['repo']}/{facts['commit']}/{path}", url, size, sha256))
    return {"color": facts["color"], "files": tuple(files), "images": len(files)}


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
