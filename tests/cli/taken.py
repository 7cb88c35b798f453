"""How much memory a command takes, in a process of its own and in that which decodes for it."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Loads and computes what every run needs, notes the memory, runs the command, and prints the exit code, how much more
# it took, and the most that one of its children held. What is noted is the greatest there ever was, so that looking
# now and then is enough for children.
_MEASURE = """
import sys, threading, time
from pathlib import Path
import tifffile, torch
from nsr_cli.cli.app import _guarded
from nsr_cli.terminal.console import Console
from nsr_cli.machine import one_heap
from nsr_cli.restore import Restorer

def most(process):
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0) * 1024

def look():
    while True:
        for task in Path("/proc/self/task").iterdir():
            for child in (task / "children").read_text().split():
                try:
                    children[child] = max(most(child), children.get(child, 0))
                except OSError:
                    pass
        time.sleep(0.05)

children = {}
one_heap()
threading.Thread(target=look, daemon=True).start()
torch.nn.functional.conv2d(torch.zeros(1, 16, 50, 50), torch.zeros(32, 16, 3, 3))
base = most("self")
code = _guarded(sys.argv[1:], Console())
print(code, most("self") - base, max(children.values(), default=0))
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """Bytes that a command took."""

    own: int
    """Beyond what the libraries take."""
    decoding: int
    """Of the process that decodes pictures, all of it."""


def measured(folder: Path, environment: dict[str, str], *args: str | Path) -> Taken:
    """What `nsr ARGS` takes, run in a folder; it has to work."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *map(str, args)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    code, own, decoding = map(int, done.stdout.split())
    assert code == 0, done.stderr
    return Taken(own, decoding)


def twice(model: Path, *more: str | Path) -> tuple[str | Path, ...]:
    """Options to enlarge twice, always in the same way."""
    return ("-s", "2", "--model", model, "--device", "cpu", "--precision", "fp32", *more)
