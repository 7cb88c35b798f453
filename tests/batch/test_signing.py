"""What the note in a result says, from the settings of a run and how the picture fared."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nsr_cli
from nsr_cli.batch.outcome import Outcome
from nsr_cli.batch.packing import pack
from nsr_cli.batch.signing import how_made
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.notes.provenance import mark
from nsr_cli.notes.texts_of_file import KEYWORD
from nsr_cli.planning.job import Job
from nsr_cli.planning.settings import Settings

PAGE = Picture(np.zeros((2, 2, 3), np.uint8))


@pytest.fixture
def outcome() -> Outcome:
    made = Outcome(Job(Path("a.png"), None, None), "a.png")
    made.model, made.model_sha256, made.found = "best", "ab" * 32, "noise level 12"
    return made


def note(
    settings: Settings,
    outcome: Outcome,
    form: str,
    page: Picture = PAGE,
    count: int = 1,
    pixels: str | None = None,
) -> Any:
    marked = mark(page, how_made(page, settings, outcome, form, count), pixels)
    return json.loads(marked.metadata.get_text(KEYWORD) or "")


def test_the_note_has_the_command_the_weights_and_the_pixels(outcome: Outcome) -> None:
    settings = Settings("denoise", sigma=12.0, write_quality=90)
    assert note(settings, outcome, "PNG", pixels="cd") == {
        "version": nsr_cli.__version__,
        "command": "nsr denoise --sigma 12",
        "model": "best",
        "model_sha256": "ab" * 32,
        "pixels": "cd",
    }
    lossy = note(settings, outcome, "JPEG")
    assert lossy["command"].endswith(" --quality 90") and "pixels" not in lossy


def test_of_auto_it_has_the_steps_and_of_an_animation_the_frames(outcome: Outcome) -> None:
    settings = Settings("auto", all_frames=True)
    assert note(settings, outcome, "PNG")["steps"] == "noise level 12"
    still, pages = (
        note(settings, outcome, "TIFF", page, count)
        for page, count in ((PAGE, 1), (replace(PAGE, source="TIFF"), 2))
    )
    assert still == pages and "frames" not in still and "--all-frames" not in still["command"]
    film = note(settings, outcome, "GIF", replace(PAGE, source="GIF"), 2)
    assert film["command"].endswith(" --all-frames") and film["frames"] == "all"
    outcome.is_first_frame = True
    assert note(settings, outcome, "GIF")["frames"] == "first"


def test_a_stripped_result_has_no_note(outcome: Outcome) -> None:
    made = {
        strip: codec.decode(pack([PAGE], "PNG", Settings("denoise", strip=strip), outcome))
        for strip in (False, True)
    }
    assert made[False].metadata.get_text(KEYWORD) is not None
    assert made[True].metadata.get_text(KEYWORD) is None
