"""Which existing results were made with other settings than those of this run.

A result is made again only if its own note says so, and if its pixels and metadata still match the note: a file that
somebody has edited, or another program has made, is never replaced.
"""

import hashlib
from contextlib import suppress
from functools import cached_property, partial
from itertools import product
from pathlib import Path

from nsr_cli.errors import DecodeError, NsrError, WriteError
from nsr_cli.imaging import codec
from nsr_cli.imaging.filebytes import FileBytes
from nsr_cli.notes import metadatadigest, provenance, tiffdigest
from nsr_cli.notes.texts_of_file import DAMAGE
from nsr_cli.planning.kinds import unread
from nsr_cli.planning.settings import Settings
from nsr_cli.reads import read_regular
from nsr_cli.sandbox.decoder import Decoder
from nsr_cli.weights.entry import COLORS, MAX_BYTES, TASKS
from nsr_cli.weights.manifest import load_manifest

Stamp = tuple[int, int, int, int]


class Overtaken(WriteError):
    """Another run has made the result in the meantime, which stays; the text says so."""


def stamp_of(path: Path) -> Stamp:
    """Device, number, size and time of a file: they differ once it is changed or replaced."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def noted_pixels(path: Path) -> str | None:
    """The digest of its pixels that a result's note names; None without one, or if the metadata do not match the note.

    Notes of older versions say nothing about the metadata, which then count as untouched.
    """
    with suppress(OSError, *DAMAGE):
        record = provenance.read(path) or {}
        with FileBytes(path) as file:
            if record.get("metadata") in (None, metadatadigest.digest(file)):
                return record.get("pixels")
    return None


def is_untouched(path: Path, max_pixels: int, decoder: Decoder) -> bool:
    """Whether the pixels and metadata of a result still match its note; False if note or metadata cannot be read.

    Raises:
        DecodeError: its pixels cannot be read.
        NotReady: as for `Decoder.pages`.
    """
    noted = noted_pixels(path)
    try:
        return noted is not None and _digest(path, decoder, max_pixels) == noted
    except OSError as error:
        raise DecodeError(unread(error)) from error


def _digest(path: Path, decoder: Decoder, max_pixels: int) -> str:
    """The digest of a result's pixels. Raises DecodeError or OSError if they cannot be read."""
    with FileBytes(path) as file:
        is_tiff = codec.sniff(file) == "TIFF"  # which may be larger than the memory
        part = partial(decoder.part, max_pixels=max_pixels)
        found = tiffdigest.digest(file, part, max_pixels) if is_tiff else None
    return found or provenance.digest(
        decoder.pages(read_regular(path), every_frame=True, max_pixels=max_pixels)
    )


class Earlier:
    """Compares notes in results with the settings of a run; the weights are looked up once, when needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def knows(self, path: Path) -> bool:
        """Whether a picture's note says that this task made it, with any options."""
        return self._note(path) is not None

    def differs(self, path: Path, form: str | None) -> bool:
        """Whether a result's note names other options or weights of the same task; False without such a note.

        The result of another task is a different picture, which has the name only by accident.
        """
        record = self._note(path)
        if record is None or "pixels" not in record:
            return False
        if self._settings.strip:  # a result of this run would have neither a note nor other metadata
            return True
        arguments = self._settings.arguments(form, animated="frames" in record)
        if record["command"] != provenance.command_of(arguments):
            return True
        used = set(record["model_sha256"].split("+"))
        return bool(self._weights) and not used <= self._weights

    def _note(self, path: Path) -> dict[str, str] | None:
        """The note of a result of this task; None for any other file."""
        try:
            record = provenance.read(path)
        except (OSError, NsrError):
            return None
        ours = record is not None and record["command"].split()[:2] == ["nsr", self._settings.task]
        return record if ours else None

    @cached_property
    def _weights(self) -> set[str]:
        """The hashes of all weights that this run may use; empty if they are unknown."""
        try:
            manifest = load_manifest()
        except NsrError:
            return set()
        tasks = TASKS if self._settings.task == "auto" else (self._settings.task,)
        found: set[str] = set()
        for task in tasks:
            scales = {entry.scale for entry in manifest.entries if entry.task == task} or {None}
            for scale, color in product(scales, COLORS):
                with suppress(OSError, NsrError):
                    chosen = manifest.resolve(self._settings.model_for(task), task, scale, color)
                    if isinstance(chosen, Path):
                        found.add(hashlib.sha256(read_regular(chosen, MAX_BYTES)).hexdigest())
                        break  # the same for all
                    found.add(chosen.sha256)
        return found
