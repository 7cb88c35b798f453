"""The note that a run puts into its results: how each was made, by the settings and by how the picture fared."""

from nsr_cli.batch.outcome import Outcome
from nsr_cli.imaging.picture import Picture
from nsr_cli.notes.provenance import Frames, mark
from nsr_cli.planning.settings import Settings


def signed(
    page: Picture,
    settings: Settings,
    outcome: Outcome,
    form: str,
    pixels: str | None,
    count: int,
    seal: str | None,
) -> Picture:
    """A copy of a result's page with the note of how it was made; the page as it is where `--strip` leaves it out.

    Args:
        page: as it is written.
        settings: of the run.
        outcome: knows the weights, of `auto` the steps, and whether other frames were left out.
        form: the file's format.
        pixels: digest of the pixels of all pages, or what stands for it; None: the result is never taken for ours.
        count: of the pages or frames.
        seal: what stands for the digest of its metadata, as for `mark`.
    """
    if settings.strip:
        return page
    frames = _frames(page, outcome, count)
    arguments = settings.arguments(form, animated=frames is not None)
    steps = outcome.found if settings.task == "auto" else None
    made_by = (outcome.model or "", outcome.model_sha256 or "")
    return mark(page, arguments, *made_by, pixels, steps, frames, seal)


def _frames(page: Picture, outcome: Outcome, count: int) -> Frames | None:
    """Which frames of an animation were taken; None for pages, and for a file with a single picture."""
    if outcome.is_first_frame:
        return "first"
    return "all" if count > 1 and page.source != "TIFF" else None
