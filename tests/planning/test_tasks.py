"""Which task is meant, by its name or by the level that is given."""

import pytest

from nsr_cli.errors import UsageError
from nsr_cli.planning.tasks import LEVEL_OPTIONS, task_of
from nsr_cli.weights.entry import TASKS


def test_every_task_has_the_option_of_its_level() -> None:
    assert tuple(LEVEL_OPTIONS) == TASKS


@pytest.mark.parametrize(
    ("task", "given", "expected"),
    [
        (None, [], "upscale"),
        (None, ["dejpeg"], "dejpeg"),
        ("denoise", [], "denoise"),
        ("denoise", ["denoise"], "denoise"),
    ],
)
def test_a_level_means_its_task(task: str | None, given: list[str], expected: str) -> None:
    assert task_of(task, given) == expected


@pytest.mark.parametrize(
    ("task", "given", "why"),
    [
        (
            None,
            ["upscale", "dejpeg"],
            "^--scale and --jpeg-quality belong to different tasks: give one of them$",
        ),
        ("denoise", ["upscale"], "^--scale does not belong to --task denoise: use --sigma$"),
        ("denois", [], r"^--task: there is no denois; did you mean denoise\?$"),
        ("blur", ["upscale"], "^--task: there is no blur; there are upscale, denoise, dejpeg$"),
    ],
)
def test_what_contradicts_itself_is_refused_with_the_remedy(
    task: str | None, given: list[str], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        task_of(task, given)
