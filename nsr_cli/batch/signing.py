"""What a result's note says about how it was made, from the settings of the run and the picture's outcome."""

from nsr_cli.batch.outcome import Outcome
from nsr_cli.imaging.picture import Picture
from nsr_cli.notes.provenance import Frames, Making
from nsr_cli.planning.settings import Settings


def how_made(page: Picture, settings: Settings, outcome: Outcome, form: str, count: int) -> Making:
    """How a page, as written, was made; `form` is the file's format, `count` the number of its pages or frames."""
    frames = _frames(page, outcome, count)
    return Making(
        settings.arguments(form, animated=frames is not None),
        outcome.model or "",
        outcome.model_sha256 or "",
        steps=outcome.found if settings.task == "auto" else None,
        frames=frames,
    )


def _frames(page: Picture, outcome: Outcome, count: int) -> Frames | None:
    """Which frames of an animation were taken; None for pages, and for a file with a single picture."""
    if outcome.is_first_frame:
        return "first"
    return "all" if count > 1 and page.source != "TIFF" else None
