"""What reaches the terminal: lines by loudness, data on stdout, a bar that does not swallow text."""

import contextlib
import io
import json
from collections.abc import Callable

import pytest

from nsr_cli.terminal.console import Console, colored


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


def say_everything(console: Console) -> None:
    console.error("an error")
    console.warning("a warning")
    console.note("a note")
    console.detail("a detail")


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        ((), ["nsr: an error", "a warning", "a note"]),
        (("verbose",), ["nsr: an error", "a warning", "a note", "a detail"]),
        (("quiet",), ["nsr: an error", "a warning"]),
        (("quiet", "verbose"), ["nsr: an error", "a warning"]),
    ],
)
def test_how_loud_it_is(
    switches: tuple[str, ...], expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console()
    for switch in switches:
        setattr(console, switch, True)
    say_everything(console)
    said = capsys.readouterr()
    assert said.err.splitlines() == expected
    assert said.out == ""


def test_data_and_json_go_to_stdout_in_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.data("a\nb\x1b[31m")
    console.json_line({"name": "caf\udce9 \u202e ü", "size": (1, 2)})
    plain, record = capsys.readouterr().out.splitlines()
    assert plain == "a\\nb\\x1b[31m"
    assert record.isascii() and json.loads(record) == {
        "schema": 1,
        "name": "caf\udce9 \u202e ü",
        "size": [1, 2],
    }


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)
def test_color_on_a_terminal(
    environment: dict[str, str], expected: bool, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert colored(terminal) == expected
    monkeypatch.setattr("sys.stderr", terminal)
    Console().error("x")
    assert ("\x1b[31m" in terminal.getvalue()) == expected
    assert not colored(io.StringIO())


def test_lines_are_printed_above_the_bar_unchanged(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", terminal)
    console = Console()
    with console.progress(2, "upscale") as bar:
        bar.picture("[red]\x1b[2J" + "long" * 30 + ".png")
        bar.parts(1, 2)
        console.note("[bold]a.png[/bold] -> \x1b[2Jb.png")
        bar.finished()
    console.note("after")
    shown = terminal.getvalue()
    assert "[bold]a.png[/bold] -> \\x1b[2Jb.png" in shown
    assert "\x1b[2J" not in shown
    assert shown.endswith("after\n")


def test_the_cursor_is_never_hidden(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stops the run with Ctrl-Z, or kills it, would be left in a shell without one."""
    monkeypatch.setattr("sys.stderr", terminal)
    with Console().progress(2, "upscale") as bar:
        bar.finished()
    assert "1/2" in terminal.getvalue() and "\x1b[?25" not in terminal.getvalue()


@pytest.mark.parametrize("within", [True, False])
def test_a_download_is_a_bar_of_bytes_on_a_terminal(
    within: bool, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("rich.progress.Progress.refresh", lambda self: self.live.refresh())
    console = Console()
    with contextlib.ExitStack() as stack:
        if within:
            stack.enter_context(console.progress(3, "upscale"))
        with console.download("net") as show:
            show(0, 4_600_000)
            show(1_500_000, 4_600_000)
        console.note("after")
    shown = terminal.getvalue()
    assert "net" in shown and "1.5 MB of 4.6 MB" in shown and "after" in shown
    assert "downloading" not in shown
    assert ("0/3" in shown) == within


def test_without_a_terminal_a_download_is_one_line_and_no_download_is_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = Console()
    with console.download("net"):
        pass
    assert capsys.readouterr().err == ""
    with console.download("net") as show:
        for done in (0, 10, 20):
            show(done, 20)
    assert capsys.readouterr().err == "downloading net (20 B)\n"
    console.quiet = True
    with console.download("net") as show:
        show(0, 20)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("switch", ["quiet", None])
def test_there_is_no_bar_without_a_terminal(
    switch: str | None, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console()
    console.quiet = switch == "quiet"
    monkeypatch.setattr("sys.stderr", terminal if switch else io.StringIO())
    with console.progress(2, "upscale") as bar:
        bar.picture("a")
        bar.finished()
    assert terminal.getvalue() == ""


def test_a_closed_stderr_does_not_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    say: Callable[[Console], None] = say_everything
    for stderr in (closed, None):
        monkeypatch.setattr("sys.stderr", stderr)
        say(Console())
