"""What holds for every command: quick help, one line for an error, exit codes, closed pipes, signals."""

import fcntl
import hashlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import IO

import pytest

from nsr_cli.cli.app import _explained
from nsr_cli.cli.commands import load
from nsr_cli.cli.table import COMMANDS
from nsr_cli.errors import FetchError, MemoryExhausted, NsrError, PartialFailure, UsageError, WeightsError
from nsr_cli.terminal.console import Console
from nsr_cli.weights.manifest import manifest_path
from tests.command import Inside, Paint, Run
from tests.stress.running import listens
from tests.waiting import until

HEAVY = ("torch", "numpy", "PIL", "rich", "requests")


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["--version", "--json"]])
def test_help_and_version_load_nothing_heavy(args: list[str], environment: dict[str, str]) -> None:
    code = (
        "import sys\nfrom nsr_cli.cli.app import main\n"
        f"try:\n    main({args!r})\nexcept SystemExit as done:\n    print(done.code, file=sys.stderr)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.splitlines() == ["0", "[]"]
    assert done.stdout


def test_help_takes_less_than_a_third_of_a_second_of_cpu_time(
    command: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    # As for users: what was compiled once is kept, even where this run of the tests keeps nothing.
    kept = {**environment, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}

    def cpu_seconds() -> float:
        before = os.times()
        subprocess.run([*command, "--help"], env=kept, stdout=subprocess.DEVNULL, timeout=60, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    # The best of a few: what else runs on the machine only ever adds.
    assert min(cpu_seconds() for _ in range(6)) < 0.3


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_its_help_starts_with_examples(name: str, nsr: Run) -> None:
    done = nsr(name, "--help")
    text = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    assert done.stdout == nsr(name, "-h").stdout
    assert text.startswith(f"Usage: nsr {name}")
    assert "Example" in text
    assert text.index("Example") < text.index("Everywhere:") < text.index("--debug")


def test_help_shows_what_to_type_and_no_types_of_python() -> None:
    for name, entry in COMMANDS.items():
        command = load(name, entry)
        for one in (command, *getattr(command, "commands", {}).values()):
            with one.make_context(one.name, [], resilient_parsing=True) as context:
                text = one.get_help(context)
            assert not re.search(r"[<>]=|<\w|536870912", text), text
            assert not re.search(r"\{|\[\[|\.\.\.\]", text.partition("\n\n")[0]), text
    shown = {name: load(name, entry) for name, entry in COMMANDS.items()}
    with shown["upscale"].make_context("upscale", [], resilient_parsing=True) as context:
        assert "  IN...  Pictures, folders" in shown["upscale"].get_help(context)
    with shown["compare"].make_context("compare", [], resilient_parsing=True) as context:
        assert shown["compare"].get_help(context).startswith("Usage: compare [OPTIONS] IMAGE\n")


def test_version_as_json_names_what_decides_a_result(nsr: Run) -> None:
    done = nsr("--version", "--json")
    facts = json.loads(done.stdout)
    assert facts["schema"] == 1
    assert facts["version"] == nsr("--version").stdout.decode().split()[1]
    assert re.fullmatch(r"\d+\.\d+.*", facts["torch"])
    assert facts["manifest_sha256"] == hashlib.sha256(manifest_path().read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], "give a command"),
        (["upscal"], "did you mean upscale?"),
        (["photo.jpg"], "say what to do with it, as in: nsr upscale photo.jpg"),
        (["scans/old ones"], "as in: nsr upscale 'scans/old ones'"),
        (["help"], "did you mean nsr --help?"),
        (["version"], "did you mean nsr --version?"),
        (["models"], "did you mean weights?"),
        (["weights", "lsit"], "did you mean list?"),
        (["-s", "2", "upscale", "x.png"], "no such option: -s; options of a command stand after its name"),
        (["--versoin"], "did you mean --version?"),
        (["upscale", "x.png", "--devic", "cpu"], "did you mean --device?"),
        (["upscale", "x.png", "-scale", "2"], "no such option: -scale; did you mean --scale?"),
        (["upscale", "x.png", "-output=y.png"], "no such option: -output; did you mean --output?"),
        (["upscale", "x.png", "--overwrite"], "did you mean --if-exists overwrite?"),
        (["upscale", "x.png", "--gpu", "0"], "did you mean --device cuda?"),
        (["upscale", "x.png", "--size", "900"], "did you mean --width?"),
        (["upscale", "x.png", "--forthwith"], "no such option: --forthwith (nsr upscale --help explains)"),
        (["upscale", "-i", "x.png"], "no such option: -i; pictures and folders are given without an option"),
        (["weights"], "give a command: list, pull, verify, path, prune, import, publish (nsr weights --help"),
        (["upscale", "x.png", "-q"], "did you mean --quiet?"),
        (["-V"], "did you mean --version?"),
        (["compare", "x.png", "y.png"], "too many arguments: y.png"),
        (["upscale"], "missing IN"),
        (["upscale", "x.png", "-s", "1"], "--scale: '1' is not possible; give a factor above 1, up to 16"),
        (["upscale", "x.png", "-s", "17"], "up to 16"),
        (["upscale", "x.png", "-s", "nan"], "up to 16"),
        (["upscale", "x.png", "-s", "2", "--width", "9"], "exclude each other"),
        (["upscale", "x.png", "--device", "gpu"], "auto, cpu, cuda, cuda:N or mps"),
        (["upscale", "x.png", "--format", "jp3"], "jpeg"),
        (["upscale", "x.png", "--if-exists", "ovewrite"], "'skip', 'overwrite', 'error'"),
        (["upscale", "x.png", "--name", "{stm}"], "did you mean stem?"),
        (["denoise", "x.png", "--sigma", "76"], "0 to 75, or auto"),
        (["dejpeg", "x.png", "-q", "0"], "1 to 100, or auto"),
        (["dejpeg", "x.png", "--strength", "2"], "from 0 (none) to 1 (all)"),
        (["dejpeg", "x.png", "--max-memory", "much"], "such as 500000000, 500M or 2G"),
    ],
)
def test_wrong_usage_is_one_line_with_the_remedy(
    args: list[str], expected: str, inside: Inside, capfd: pytest.CaptureFixture[str]
) -> None:
    assert inside(*args) == 2
    said = capfd.readouterr()
    assert expected in said.err
    assert said.err.startswith("nsr: ") and said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NsrError("x"), 1),
        (PartialFailure("x"), 3),
        (WeightsError("x"), 4),
        (FetchError("x"), 4),
        (MemoryExhausted("x"), 5),
        (MemoryError(), 5),
        (OSError(28, "No space left"), 1),
        (ValueError("x"), 1),
        (RecursionError("x"), 1),
        (RuntimeError("can't start new thread"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_failure_has_its_exit_code_and_one_line(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        descriptor = os.dup(1)  # an OSError points the real stdout at nothing
    try:
        assert _explained(error, Console()) == code
    finally:
        os.dup2(descriptor, 1)
        os.close(descriptor)
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and said.err.startswith("nsr: ")
    assert ("internal error" in said.err) == isinstance(error, ValueError | RecursionError)


@pytest.mark.parametrize(("rank", "waits"), [("0", []), ("1", [20.0])])
def test_an_error_of_another_process_of_a_torchrun_is_said_late_and_not_lost(
    rank: str, waits: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    monkeypatch.setenv("LOCAL_RANK", rank)
    assert _explained(UsageError("mine"), Console()) == 2
    assert waited == waits and capsys.readouterr().err == "nsr: mine\n"
    assert _explained(KeyboardInterrupt(), Console()) == 130
    assert capsys.readouterr().err == ("" if waits else "nsr: interrupted\n")


def test_debug_shows_where_an_error_came_from(nsr: Run, tmp_path: Path) -> None:
    (tmp_path / "nsr.toml").write_text("scael = 2")
    plain, debug = nsr("upscale", "x.png"), nsr("upscale", "x.png", "--debug")
    assert plain.returncode == debug.returncode == 2
    assert b"Traceback" not in plain.stderr and b"Traceback" in debug.stderr
    assert debug.stderr.endswith(plain.stderr)


@pytest.mark.parametrize(("before", "said"), [("", True), ("sys.modules['torch'] = sys", False)])
def test_the_interpreter_is_not_taken_apart_once_torch_is_loaded(
    before: str, said: bool, environment: dict[str, str]
) -> None:
    """That takes most of a second, in which nothing of use happens; what was said is said all the same."""
    code = (
        "import atexit, sys\natexit.register(lambda: print('end', file=sys.stderr))\n"
        f"{before}\nfrom nsr_cli.cli.app import main\nmain(['--version'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("nsr ")
    assert (done.stderr == "end\n") == said


@pytest.mark.promise("Signals: a reader of stdout that has gone: nothing is said, exit code 141", count=3)
@pytest.mark.parametrize("args", [["config", "show"], ["--help"], ["config", "show", "--json"]])
def test_a_reader_that_has_gone_ends_the_command_quietly(
    args: list[str], command: list[str], environment: dict[str, str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*command, *args, "--quiet"] if args[0] != "--help" else [*command, *args],
        env=environment,
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("args", [("config", "show", "--quiet"), ("--version", "--json")])
def test_a_full_disk_behind_stdout_is_an_error(
    args: tuple[str, ...], command: list[str], environment: dict[str, str]
) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*command, *args],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"nsr: cannot write to stdout: No space left on device")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_stops_a_command_that_waits(
    number: signal.Signals, code: int, command: list[str], environment: dict[str, str]
) -> None:
    stopped, seconds, said = stopped_waiting([*command, "upscale", "-", "-v"], environment, number)
    assert stopped == code
    assert seconds < 2
    assert said.splitlines()[-1].startswith("nsr: interrupted") and "Traceback" not in said


def stopped_waiting(
    command: list[str], environment: dict[str, str], number: signal.Signals
) -> tuple[int, float, str]:
    """Stop a command that has read the beginning of a picture: its exit code, the seconds it took, what it said."""
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None and process.stderr is not None
        process.stdin.write(b"\x89PNG\r\n")
        process.stdin.flush()
        waiting = process.stdin
        until(lambda: not waiting_bytes(waiting) and listens(process, number))
        started = time.monotonic()
        process.send_signal(number)
        code = process.wait(timeout=30)
        return code, time.monotonic() - started, process.stderr.read().decode()


def waiting_bytes(pipe: IO[bytes]) -> int:
    """How many bytes of a pipe have not been read yet."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def on_a_terminal(command: list[str], environment: dict[str, str]) -> str:
    """What a command writes when stdin, stdout and stderr are a terminal."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(command[0], command, environment)
    shown = b""
    while True:
        try:
            block = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            break
        if not block:
            break
        shown += block
    os.close(terminal)
    os.waitpid(child, 0)
    return shown.decode()


@pytest.mark.filterwarnings("ignore:.*forkpty.*:DeprecationWarning")
def test_color_is_for_terminals_that_want_it(
    command: list[str], environment: dict[str, str], nsr: Run
) -> None:
    environment["TERM"] = "xterm"
    assert "\x1b[" in on_a_terminal([*command, "--help"], environment)
    assert "\x1b[" in on_a_terminal([*command, "upscal"], environment)
    for quiet in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b[" not in on_a_terminal([*command, "--help"], {**environment, **quiet})
        assert "\x1b[" not in on_a_terminal([*command, "upscal"], {**environment, **quiet})
    assert b"\x1b[" not in nsr("--help").stdout + nsr("upscal").stderr
    assert b"\x1b[" in nsr("upscal", FORCE_COLOR="1").stderr


@pytest.mark.filterwarnings("ignore:.*forkpty.*:DeprecationWarning")
def test_a_picture_never_goes_to_a_terminal_by_itself(
    command: list[str], environment: dict[str, str], paint: Paint, tmp_path: Path
) -> None:
    paint(tmp_path / "a.png")
    shown = on_a_terminal(["/bin/sh", "-c", f"{' '.join(command)} upscale - < {tmp_path}/a.png"], environment)
    assert "redirect stdout, or pass `-o -` to write it there anyway" in shown
    assert "stdin, which is a terminal" in on_a_terminal(
        [*command, "upscale", "-", "-o", "x.png"], environment
    )


def test_the_shell_completes_commands_and_options(nsr: Run) -> None:
    def complete(line: str) -> set[str]:
        words = line.split(" ")
        done = nsr(_NSR_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
        return set(done.stdout.decode().split())

    assert complete("nsr up") == {"upscale"}
    assert {"--device", "--debug"} <= complete("nsr upscale --d")
    assert {"cpu", "cuda"} <= complete("nsr upscale --device c")
    assert {"--recursive", "--no-recursive"} <= complete("nsr upscale --")


@pytest.mark.parametrize(
    ("line", "fitting", "others"),
    [
        ("nsr upscale --model ", {"lite", "upscale-x2-lite"}, {"dejpeg-gray", "denoise-gray"}),
        ("nsr denoise -m d", {"denoise-gray"}, {"dejpeg-gray"}),
        ("nsr explain --model ", {"lite", "upscale-x2-lite", "denoise-gray"}, set[str]()),
        ("nsr explain --task dejpeg --model ", {"lite", "dejpeg-gray"}, {"upscale-x2-lite"}),
        ("nsr compare --model b", {"base", "bicubic"}, {"lite"}),
        ("nsr eval --model ", {"input", "upscale-x2-lite", "denoise-gray"}, set[str]()),
        ("nsr eval --set S", {"Set5", "Set14"}, {"Urban100"}),
        ("nsr weights path upscale-x2", {"upscale-x2", "upscale-x2-lite"}, {"lite"}),
        ("nsr data pull Set5 U", {"Urban100"}, {"Set5"}),
        ("nsr train upscale", {"upscale-x2", "upscale-x4"}, {"upscale-x2-lite"}),
        ("nsr train upscale-x2 --network ", {"sparse-plus", "lite"}, {"upscale-x2"}),
        ("nsr upscale --format ", {"png", "jpeg", "ppm"}, {"auto"}),
    ],
)
def test_the_shell_completes_what_is_possible(
    line: str, fitting: set[str], others: set[str], nsr: Run
) -> None:
    count = str(len(line.split(" ")) - 1)
    done = nsr(_NSR_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=count)
    found = set(done.stdout.decode().split())
    assert fitting <= found and not others & found


def test_names_that_could_steer_a_terminal_are_shown_escaped(nsr: Run) -> None:
    done = nsr("upscale", "\x1b[31m[red]\n\u202e.png", b"caf\xe9.png")
    assert done.returncode == 3
    assert b"\x1b" not in done.stderr and b"\xe2\x80\xae" not in done.stderr
    assert b"nsr: \\x1b[31m[red]\\n" in done.stderr and b"caf\\xe9.png: no such file" in done.stderr
    assert len(done.stderr.splitlines()) == 3
