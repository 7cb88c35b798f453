"""The decoding process: reads orders from stdin, answers on stdout, and has nothing else to say.

It is started by `sandbox.process` with the bare interpreter. Whatever happens in it (a crash, endless work,
too much memory) ends this process and one picture, not the program.
"""

import math
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from nsr_cli.errors import NsrError
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.sandbox import protocol
from nsr_cli.sandbox.protocol import Limits, Order, ProtocolError
from nsr_cli.sandbox.shared import SharedFile


def pages(data: bytes, max_pixels: int, every_frame: bool) -> Iterator[Picture]:
    """The pictures of a file that a run wants: all pages of a TIFF; of an animation the first, or every frame.

    Raises:
        DecodeError: it cannot be read.
    """
    if every_frame or codec.sniff(data) == "TIFF":
        return codec.decode_all(data, max_pixels=max_pixels)
    return iter((codec.decode(data, max_pixels=max_pixels),))


def main(descriptor: int | None, path: str | None) -> None:
    """Serve until stdin ends. The shared file comes as an open descriptor, or else by its name."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program decides; it ends this process
    _be_modest()
    file = SharedFile.of_parent(descriptor, path)
    orders, answers = sys.stdin.buffer, _private_stdout()
    with suppress(EOFError, BrokenPipeError):
        protocol.send(answers, {"ready": True})
        while True:
            order = Order.from_json(protocol.receive(orders))
            protocol.send(answers, _serve(order, file, orders, answers))


def _private_stdout() -> BinaryIO:
    """Stdout for answers alone: what libraries print goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return answers


def _serve(order: Order, file: SharedFile, orders: BinaryIO, answers: BinaryIO) -> dict[str, object]:
    """Decode one file; returns the last answer, whatever is wrong with it."""
    try:
        data = file.read(order.size)
        _limit(None)
        _load_readers(data)
        protocol.send(answers, {"reading": True})
        _limit(order.limits)
        for picture in pages(data, order.max_pixels, order.every_frame):
            file.write(*([picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha]))
            protocol.send(answers, {"picture": protocol.describe(picture)})
            protocol.receive(orders)
            _limit(order.limits)  # each page has its own time
    except (NsrError, ProtocolError) as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "the picture takes more memory than it may"}
    except (BrokenPipeError, EOFError):
        raise
    except OSError as error:  # of the shared file, or the limit to its size
        return {"error": f"its pixels cannot be handed over: {error.strerror or type(error).__name__}"}
    except Exception as error:  # noqa: BLE001 (the next picture has nothing to do with it)
        return {"error": f"it cannot be read ({type(error).__name__})"}
    return {"done": True}


def _load_readers(data: bytes) -> None:
    """Load the libraries for a format, which may take long from a slow disk, before the clock runs."""
    kind = codec.sniff(data)
    if kind == "PNG":
        import imagecodecs

        getattr(imagecodecs, "png_decode", None)  # loaded on first use
    if kind == "TIFF":
        import tifffile  # noqa: F401


def _be_modest() -> None:
    """Leave no core dumps, and be the first to go when the machine is out of memory."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _limit(limits: Limits | None) -> None:
    """Hold this process to `limits` from now on; None lifts them."""
    try:
        import resource
    except ImportError:  # Windows: the program's clock is the only limit there
        return
    memory = seconds = size = None
    if limits is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        memory = _address_space() + limits.memory
        # The program's clock comes first; this one is for when the program is no longer there.
        seconds = math.ceil(used.ru_utime + used.ru_stime + limits.seconds) + 1
        size = limits.result
    for kind, wanted in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, size),
    ):
        hard = resource.getrlimit(kind)[1]
        soft = hard if wanted is None else wanted
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _address_space() -> int:
    """Bytes that this process has mapped; generous where the system does not say."""
    with suppress(OSError, ValueError):
        return int(Path("/proc/self/statm").read_bytes().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return 1 << 33
