"""The pictures that `nsr eval --save` keeps: exactly those that were scored, as PNG."""

from collections.abc import Sequence
from pathlib import Path

from nsr_cli.errors import UsageError
from nsr_cli.evaluate import Case, Results, Scored, place
from nsr_cli.evaluate.protocol import Pixels
from nsr_cli.imaging.codec import encode
from nsr_cli.imaging.picture import Picture
from nsr_cli.planning.single import Target, checked, write
from nsr_cli.shown import counted, safe_text
from nsr_cli.terminal.console import Console


class Saver:
    """Writes restored pictures below a folder, as SET/MODEL/LEVEL/NAME.png.

    `rule` says what to do with files that already exist: `skip`, `overwrite` or `error`.
    """

    def __init__(self, folder: Path, rule: str) -> None:
        self._folder, self._rule = folder, rule
        self._targets: dict[Path, Target] = {}
        self._written = 0

    def expect(self, case: Case, model: Scored, images: Sequence[Path]) -> None:
        """Check that the pictures of a model can be written, before any work.

        Raises:
            UsageError: a file already exists, or two pictures would have the same one.
            WriteError: the folder cannot be written.
        """
        if isinstance(model, Results):  # they are files already
            return
        for image in images:
            path = self._folder / place(case, model.name, image)
            if path in self._targets:
                raise UsageError(
                    f"--save: two pictures would go to {safe_text(path)}: score those of the same name in two runs"
                )
            self._targets[path] = checked(Target(path, "PNG"), self._rule, option="--save")

    def keep(self, case: Case, model: Scored, image: Path, pixels: Pixels) -> None:
        """Write a model's result for `image`, (H, W, C) uint8. Raises `WriteError`."""
        if isinstance(model, Results):
            return
        target = self._targets[self._folder / place(case, model.name, image)]
        if not target.there:
            write(target, encode(Picture(pixels), "PNG"))
            self._written += 1

    def report(self, console: Console) -> None:
        """Say how many were written, and how many existed and were kept."""
        written = self._written
        console.note(f"saved {counted(written, 'picture')} in {safe_text(self._folder)}")
        left = len(self._targets) - written
        if left:
            console.note(f"{left} skipped, as they already exist (--if-exists overwrite replaces them)")
