"""Names of rows: the short ones where these are enough, else with the folders that make the difference."""

from pathlib import Path

import pytest

from nsr_cli.scoreboard.rownames import told_apart


@pytest.mark.parametrize(
    ("paths", "shown"),
    [
        (["/a/x2", "/b/x4"], ["x2", "x4"]),
        (["/a/x2", "/b/x2", "/c/x4"], ["a/x2", "b/x2", "x4"]),
        (["/1/a/x2", "/2/a/x2", "/2/b/x2"], ["1/a/x2", "2/a/x2", "b/x2"]),
        (["/x2", "/a/x2"], ["/x2", "a/x2"]),
        (["/a/x\x1b2", "/b/x\x1b2"], ["a/x\x1b2", "b/x\x1b2"]),  # names are safe before they come here
        (["/\x1b/x2", "/b/x2"], ["\\x1b/x2", "b/x2"]),
    ],
)
def test_names_are_as_long_as_it_takes(paths: list[str], shown: list[str]) -> None:
    folders = [Path(path) for path in paths]
    assert told_apart([folder.name for folder in folders], folders) == shown


def test_what_is_at_no_path_keeps_its_name() -> None:
    assert told_apart(["lite", "lite"], [None, Path("/a/lite.safetensors")]) == ["lite", "a/lite"]
    assert told_apart(["same", "same"], [None, None]) == ["same", "same"]
