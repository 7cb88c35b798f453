"""Starts `nsr` many times without loading torch many times: a process that has loaded everything forks.

As a script it serves orders, one JSON object a line, from the socket whose number it is given. {"start": {"args",
"cwd", "environment"}}, together with the descriptors that become 0, 1 and 2, is answered with the number of a child
that runs the command as the program would; {"poll": number} and {"wait": number} with its exit code, or null while
it runs. What the children do after the fork is the command itself, from its arguments on; what is not tested so is
the start of Python and of the imports, which tests/cli/test_app.py does with processes of their own.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, Self

Streams = tuple[int, int, int]
"""Descriptors that a child takes for stdin, stdout and stderr; they stay open here."""


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
        self._orders, theirs = socket.socketpair()
        self._answers = self._orders.makefile("r")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._answers.close()
        self._orders.close()
        self._process.wait(60)

    def ask(self, order: Mapping[str, Any], descriptors: Sequence[int] = ()) -> Any:
        line = f"{json.dumps(order)}\n".encode()
        self._orders.sendall(line[socket.send_fds(self._orders, [line], descriptors) :])
        return json.loads(self._answers.readline())

    def start(
        self, args: Sequence[str], cwd: Path, streams: Streams, environment: Mapping[str, str]
    ) -> Child:
        """Start `nsr ARGS` in `cwd`."""
        order = {"args": [*args], "cwd": str(cwd), "environment": dict(environment)}
        return Child(self, int(self.ask({"start": order}, streams)))

    def run(
        self,
        args: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        stdin: bytes | None = None,
        timeout: float = 120,
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run to the end with pipes for its streams, as `subprocess.run` does; no `stdin` is /dev/null."""
        source, feed = os.pipe() if stdin is not None else (os.open(os.devnull, os.O_RDONLY), None)
        (out, output), (err, errors) = os.pipe(), os.pipe()
        child = self.start(args, cwd, (source, output, errors), environment)
        for end in (source, output, errors):
            os.close(end)
        said, complained = _Heard(out), _Heard(err)
        if feed is not None:
            with suppress(BrokenPipeError), os.fdopen(feed, "wb") as pipe:
                pipe.write(stdin or b"")
        for heard in (said, complained):
            heard.join(timeout)
            if heard.is_alive():
                child.kill()
                raise subprocess.TimeoutExpired([*args], timeout)
        return subprocess.CompletedProcess(args, child.wait(), said.content, complained.content)


class _Heard(Thread):
    """Reads a pipe to its end; `content` holds it after `join`."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self.content = b""
        self.start()

    def run(self) -> None:
        with os.fdopen(self._descriptor, "rb") as pipe:
            self.content = pipe.read()


def serve(orders: socket.socket) -> None:
    """Load everything once and take orders until nobody gives any."""
    import torch  # noqa: F401

    import nsr_cli.cli.restore
    import nsr_cli.cli.root
    import nsr_cli.cli.train
    import nsr_cli.engine.runner
    import nsr_cli.restore
    import nsr_cli.training.session  # noqa: F401

    while order := heard(orders):
        what, descriptors = order
        if "start" in what:
            pid = os.fork()
            if not pid:
                orders.close()
                become(**what["start"], descriptors=descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            answer: int | None = pid
        elif "wait" in what:
            answer = os.waitstatus_to_exitcode(os.waitpid(what["wait"], 0)[1])
        else:
            found, status = os.waitpid(what["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if found else None
        orders.sendall(f"{json.dumps(answer)}\n".encode())


def heard(orders: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next order and the descriptors that came with it; None at the end."""
    line, descriptors, _, _ = socket.recv_fds(orders, 1 << 16, 3)
    while line and not line.endswith(b"\n"):
        line += orders.recv(1 << 16)
    return (json.loads(line), descriptors) if line else None


def become(args: list[str], cwd: str, environment: dict[str, str], descriptors: list[int]) -> None:
    """Be the command: its own session and streams, its environment and arguments, and the way it ends."""
    from nsr_cli.cli.app import main

    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    # What Python found out about its streams when it started, such as whether one can be rewound, was true of others.
    encoding, rules = sys.stdout.encoding, (sys.stdin.errors, sys.stdout.errors, sys.stderr.errors)
    sys.stdin = os.fdopen(0, encoding=encoding, errors=rules[0], closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding=encoding, errors=rules[1], closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding=encoding, errors=rules[2], closefd=False, buffering=1)
    sys.argv[1:] = args
    main()


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
