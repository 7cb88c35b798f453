"""How strong the noise or the JPEG compression of a picture is, if the user asks for "auto"."""

from dataclasses import dataclass

from nsr_cli.engine.levels import measured_quality, measured_sigma
from nsr_cli.engine.options import RestoreOptions
from nsr_cli.errors import PictureError
from nsr_cli.imaging.findings.inspect import inspect, jpeg_tables
from nsr_cli.imaging.picture import Picture
from nsr_cli.planning.reading import Source
from nsr_cli.planning.settings import Settings
from nsr_cli.shown import safe_text
from nsr_cli.steps.remedy import Step, remedies
from nsr_cli.terminal.console import Console

_NOTHING = "nothing was found that clearly needs repair"
_NO_TRACES = "no JPEG traces found; use -q N to restore it anyway"


@dataclass(frozen=True, slots=True)
class Level:
    """The level of a picture for the network, and a note for the user if it was estimated."""

    sigma: float | None = None
    quality: float | None = None
    note: str | None = None
    steps: tuple[Step, ...] = ()
    """For `auto`: what to do."""
    skip_reason: str | None = None
    """Why the picture is better left alone; None if it should be restored."""

    @property
    def notes(self) -> list[str]:
        """The note for the user as a list, for JSON."""
        return [] if self.note is None else [self.note]


def level_of(settings: Settings, page: Picture, data: bytes) -> Level:
    """The level that was asked for, or the one found in the picture and its file, or why there is nothing to do."""
    if settings.task == "denoise":
        if settings.sigma is not None:
            return Level(sigma=settings.sigma)
        sigma = measured_sigma(page)
        return Level(sigma=sigma, note=f"noise level {sigma:g}")
    if settings.task == "dejpeg":
        if settings.jpeg_quality is not None:
            return Level(quality=settings.jpeg_quality)
        return _jpeg_level(page, data)
    if settings.task == "auto":
        grows = settings.factor(page.width, page.height) > 1
        steps = remedies(inspect(data, page)) + ((Step("upscale"),) if grows else ())
        return Level(steps=steps, skip_reason=None if steps else _NOTHING)
    return Level()


def options_of(settings: Settings, level: Level, page: Picture) -> RestoreOptions:
    """The options for a page's restorer; only the size of the page is looked at.

    Raises:
        LargeEnough, PictureError: as for `Settings.target_size`.
    """
    size = settings.target_size(page.width, page.height)
    return RestoreOptions(level.sigma, level.quality, settings.strength, settings.tta, size)


def find_level(
    task: str, source: Source, sigma: float | None, quality: float | None, console: Console
) -> Level:
    """The level that was asked for, or the one found in the picture, which is then shown to the user.

    Raises:
        PictureError: it cannot be found.
    """
    level = level_of(Settings(task, sigma=sigma, jpeg_quality=quality), source.picture, source.data)
    if level.skip_reason:
        raise PictureError(f"{safe_text(source.label)}: {level.skip_reason}")
    if level.note:
        console.note(f"{source.label}: {level.note}")
    return level


def _jpeg_level(page: Picture, data: bytes) -> Level:
    """The quality by the file's own tables, or for a re-saved picture by the traces in its pixels."""
    tables = jpeg_tables(data)
    if tables is not None:
        about = "" if tables.exact else "about "
        return Level(quality=tables.quality, note=f"quality {about}{tables.quality}, {tables.subsampling}")
    earlier = measured_quality(page)
    if earlier is None:
        return Level(skip_reason=_NO_TRACES)
    return Level(quality=earlier, note=f"quality {earlier}, by its pixels")
