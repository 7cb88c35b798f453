"""Closed stdin, stdout and stderr, and text that the encoding of stdout lacks."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.command import Paint, Run


@pytest.fixture
def closed(command: list[str], environment: dict[str, str], tmp_path: Path) -> Run:
    """Run `nsr ARGS` in tmp_path, in a new process whose streams are closed as the shell's `redirections` say."""

    def run(redirections: str, *args: str, **env: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            ["/bin/sh", "-c", f'exec "$@" {redirections}', "sh", *command, *args],
            cwd=tmp_path,
            env={**environment, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )

    return run


def test_a_picture_is_restored_without_any_of_the_three(
    closed: Run, paint: Paint, tiny_model: Path, tmp_path: Path
) -> None:
    paint(tmp_path / "a.png")
    done = closed("<&- >&- 2>&-", "upscale", "a.png", "-s", "2", "-m", str(tiny_model), "-o", "b.png")
    assert done.returncode == 0 and (tmp_path / "b.png").is_file()


@pytest.mark.parametrize("redirections", ["<&-", "2>&-", "<&- 2>&-"])
def test_a_picture_is_decoded_without_a_stream(
    redirections: str, closed: Run, paint: Paint, tmp_path: Path
) -> None:
    """The file that is shared with the decoder must not become the stream that is missing."""
    paint(tmp_path / "a.png")
    done = closed(redirections, "inspect", "a.png")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"a.png: PNG, 12x8")


@pytest.mark.parametrize("args", [("--help",), ("--version",), ("config", "show", "--quiet")])
def test_a_closed_stdout_is_an_error_for_what_writes_to_it(args: tuple[str, ...], closed: Run) -> None:
    done = closed(">&-", *args)
    assert done.returncode == 1
    assert done.stderr.startswith(b"nsr: cannot write to stdout: Bad file descriptor")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("redirections", [">&-", ">/dev/full"])
def test_a_picture_that_cannot_go_to_stdout_is_one_line(
    redirections: str, closed: Run, paint: Paint, tiny_model: Path, tmp_path: Path
) -> None:
    paint(tmp_path / "a.png")
    done = closed(redirections, "upscale", "a.png", "-m", str(tiny_model), "-s", "2", "-o", "-", "--quiet")
    assert done.returncode == 1
    assert done.stderr.startswith(b"nsr: cannot write to stdout: ") and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("upscale", "-", "-o", "b.png"), b"nsr: stdin: cannot be read: it is closed\n"),
        (("inspect", "-"), b"nsr: stdin: cannot be read: it is closed\n"),
        (("upscale", "--files-from", "-"), b"cannot be read: it is closed; give a file"),
    ],
)
def test_a_closed_stdin_is_said_to_be_closed(args: tuple[str, ...], said: bytes, closed: Run) -> None:
    done = closed("<&-", *args)
    assert done.returncode in (1, 2) and said in done.stderr


def test_a_name_that_the_encoding_lacks_is_shown_escaped(closed: Run, paint: Paint, tmp_path: Path) -> None:
    paint(tmp_path / "é日.png")
    planned = ("upscale", "é日.png", "-s", "2", "-n")
    for encoding, name in (
        ("ascii", b"\\xe9\\u65e5"),
        ("latin-1", b"\xe9\\u65e5"),
        ("utf-8", "é日".encode()),
    ):
        done = closed("", *planned, PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(name + b".png -> ")
        record = json.loads(closed("", *planned, "--json", PYTHONIOENCODING=encoding).stdout)
        assert record["input"] == "é日.png"
    looked = closed("", "inspect", "é日.png", PYTHONIOENCODING="ascii")
    assert looked.returncode == 0 and looked.stdout.startswith(b"\\xe9\\u65e5.png: ")


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ("strict", b"\\xe9\\u65e5 \\udce9"),
        ("surrogateescape", b"\\xe9\\u65e5 \xe9"),
        ("replace", b"?? ?"),
    ],
)
def test_bytes_of_names_stay_what_they_are_where_python_keeps_them(
    rule: str, shown: bytes, command: list[str], environment: dict[str, str]
) -> None:
    code = "from nsr_cli.terminal.standard import prepare_streams\nprepare_streams()\nprint('é日 \\udce9')"
    done = subprocess.run(
        [command[0], "-c", code],
        env={**environment, "PYTHONIOENCODING": f"ascii:{rule}"},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == shown + b"\n"
