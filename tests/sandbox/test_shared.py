"""The file that is shared with the decoding process."""

import subprocess
import sys
from pathlib import Path

import pytest

from nsr_cli.sandbox import shared


@pytest.mark.parametrize("memory", [True, False], ids=["memory", "disk"])
def test_it_never_is_stdin_stdout_or_stderr_of_the_process_that_gets_it(memory: bool) -> None:
    """Where those are closed, they are the first numbers that a new file gets."""
    code = (
        "import os\nfrom nsr_cli.sandbox.shared import SharedFile\n"
        + ("" if memory else "os.__dict__.pop('memfd_create', None)\n")
        + "kept = os.dup(1)\n[os.close(number) for number in range(3)]\n"
        "one = SharedFile.new()\none.write(b'abc')\n"
        "os.write(kept, b'%d %s' % (one.descriptor, one.read(3)))\n"
        "low = [number for number in range(3) if os.path.exists(f'/dev/fd/{number}')]\n"
        "os.write(kept, b' %d' % len(low))\nos._exit(0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(shared.__file__).parents[2],
        capture_output=True,
        timeout=60,
        check=True,
    )
    number, content, low = done.stdout.split()
    assert int(number) > 2 and content == b"abc" and low == b"0"
