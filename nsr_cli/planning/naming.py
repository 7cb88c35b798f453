"""The names of results: templates such as '{stem}_x{scale}', suffixes and formats."""

import re
import string
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nsr_cli.errors import UsageError
from nsr_cli.imaging.codec import LOSSLESS, OPAQUE, SUFFIXES
from nsr_cli.imaging.filebytes import FileBytes
from nsr_cli.imaging.heads.head import read_head
from nsr_cli.shown import safe_text, there_are

FIELDS = ("stem", "ext", "scale", "task", "model", "sigma", "quality", "index")

_SUFFIX_OF = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "PPM": ".pnm",
    "GIF": ".gif",
}
_NOT_KEPT = frozenset({".apng", ".pbm", ".pam"})  # they promise more about the content than the result keeps
_MAY_HAVE_ALPHA = frozenset({".bmp", ".dib", ".pam", ".pnm"})  # though results in the format have none
_NAME_LIMIT = 255  # bytes, on every common file system


@dataclass(frozen=True, slots=True)
class Namer:
    """Names results: `template` is the user's or None, `tag` distinguishes a result from its input."""

    tag: str
    template: str | None
    format: str | None
    fields: Mapping[str, str]

    def format_for(self, path: Path | None) -> str:
        """The format of the result of `path`: the one asked for, else the input's if it is lossless and suitable."""
        if self.format:
            return self.format
        own = format_of(path.suffix) if path else None
        if path is not None and own in OPAQUE and path.suffix.lower() in _MAY_HAVE_ALPHA and _has_alpha(path):
            return "PNG"
        return own if own in LOSSLESS else "PNG"

    def name(self, path: Path | None, index: int, keep: bool) -> str:
        """The file name for the result of `path` (None: stdin); with `keep` it has no tag.

        Raises:
            UsageError: the template leads out of the folder.
        """
        stem, own_suffix = (path.stem, path.suffix) if path else ("stdin", "")
        form = self.format_for(path)
        same = format_of(own_suffix) == form and own_suffix.lower() not in _NOT_KEPT
        suffix = own_suffix if same else _SUFFIX_OF[form]
        if self.template is None:
            return f"{stem}{'' if keep else self.tag}{suffix}"
        fields = {**self.fields, "stem": stem, "ext": own_suffix.removeprefix(".")}
        name = string.Formatter().vformat(self.template, (), {**fields, "index": index})
        if name in ("", ".", "..") or set(name) & set("/\\\0"):
            raise UsageError(f"--name gives {safe_text(name)!r}: it must name a file; -o chooses the folder")
        return name if format_of(Path(name).suffix) == form else name + suffix


def _has_alpha(path: Path) -> bool:
    """Whether a picture's header says that it has transparency."""
    with suppress(OSError, ValueError), FileBytes(path) as data:
        head = read_head(data)
        return head is not None and head.alpha
    return False


def format_of(suffix: str) -> str | None:
    """The format that a file suffix stands for; None if we have no such format."""
    return SUFFIXES.get(suffix.lower())


def name_too_long(name: str) -> bool:
    """Whether no common file system holds a file of this name."""
    return len(name.encode("utf-8", "surrogateescape")) > _NAME_LIMIT


def check_template(template: str) -> None:
    """UsageError if `template` has a field that no result has, or is not a template."""
    try:
        for _, name, spec, _ in string.Formatter().parse(template):
            if name is None:
                continue
            if name not in FIELDS:
                raise UsageError(f"--name has no field {{{safe_text(name)}}}{there_are(name, FIELDS)}")
            _check_spec(spec or "")
        string.Formatter().vformat(template, (), {**dict.fromkeys(FIELDS, "1"), "index": 1})
    except ValueError as error:
        raise UsageError(f"--name {safe_text(template)!r} is not a template: {error}") from error


def _check_spec(spec: str) -> None:
    """ValueError if a field's format spec asks for more than a name can hold, as Python would make it anyway."""
    if "{" in spec:
        raise ValueError("a field within a field")
    if any(len(digits.lstrip("0")) > 4 or int(digits) > _NAME_LIMIT for digits in re.findall(r"\d+", spec)):
        raise ValueError(f"a name has at most {_NAME_LIMIT} characters")


def template_format(template: str | None, form: str | None) -> str | None:
    """The format that a template's own suffix asks for, else `form`.

    Raises:
        UsageError: the template and `form` disagree.
    """
    named = format_of(Path(template).suffix) if template else None
    if named and form and named != form:
        raise UsageError(
            f"--name ends in {safe_text(Path(template or '').suffix)}, but --format says {form.lower()}: "
            "change one of them, or leave out --format"
        )
    return named or form
