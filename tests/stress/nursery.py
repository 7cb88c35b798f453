"""Starts `nsr` many times without loading torch many times: a process that has loaded everything forks.

As a script it serves orders, one JSON object a line: {"start": {"args", "cwd", "errors", "output"}} is answered
with the number of a child that runs the command as the program would; {"poll": number} and {"wait": number} with
its exit code, or null while it runs. What the children do after the fork is the command itself, from its arguments on.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self


class Child:
    """One run of the command; the part of `subprocess.Popen` that the tests use."""

    def __init__(self, nursery: "Nursery", pid: int) -> None:
        self._nursery = nursery
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._nursery.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:  # noqa: ARG002 (the children end by themselves)
        if self.returncode is None:
            self.returncode = self._nursery.ask({"wait": self.pid})
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The process that forks, from outside. Use it as a context."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def ask(self, order: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def start(self, args: list[str], cwd: Path, errors: Path, output: Path = Path(os.devnull)) -> Child:
        order = {"args": args, "cwd": str(cwd), "errors": str(errors), "output": str(output)}
        return Child(self, int(self.ask({"start": order})))


def serve() -> None:
    """Load everything once and take orders until stdin ends."""
    import torch  # noqa: F401

    import nsr_cli.cli.restore
    import nsr_cli.cli.root
    import nsr_cli.cli.train
    import nsr_cli.engine.runner
    import nsr_cli.restore
    import nsr_cli.training.session  # noqa: F401

    for line in sys.stdin:
        order = json.loads(line)
        if "start" in order:
            pid = os.fork()
            if not pid:
                become(**order["start"])
            answer: int | None = pid
        elif "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        else:
            found, status = os.waitpid(order["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if found else None
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


def become(args: list[str], cwd: str, errors: str, output: str) -> None:
    """Be the command: its own session and files, its arguments, and the way it ends."""
    from nsr_cli.cli.app import main

    os.setsid()
    os.chdir(cwd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, path in ((1, output), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), descriptor)
    sys.argv[1:] = args
    main()


if __name__ == "__main__":
    serve()
