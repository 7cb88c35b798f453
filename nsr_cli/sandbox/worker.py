"""The decoding process: reads orders from stdin and answers on stdout.

It is started by `sandbox.process` in a bare interpreter. Whatever happens in it (a crash, endless work, too much
memory) costs this process and one picture, not the program.
"""

import gc
import importlib
import math
import os
import signal
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from nsr_cli.errors import NsrError
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.sandbox import protocol
from nsr_cli.sandbox.protocol import Extent, Limits, Order, ProtocolError
from nsr_cli.sandbox.shared import SharedFile

if sys.platform != "win32":  # on Windows the program's clock is the only limit
    import resource

_THREADS = {"AVIF": "DEFAULT_MAX_THREADS", "HEIC": "DECODE_THREADS"}
"""The setting of a format's library for how many threads decode a picture."""


def pages(data: bytes, max_pixels: int, extent: Extent) -> Iterable[Picture]:
    """The pictures of a file that `extent` asks for; a list if there can only be one.

    Raises:
        DecodeError: it cannot be read.
    """
    if extent == "frames" or (extent == "pages" and codec.sniff(data) == "TIFF"):
        return codec.decode_all(data, max_pixels=max_pixels)
    if extent == "part":
        return [codec.decode_part(data, max_pixels=max_pixels)]
    return [codec.decode(data, max_pixels=max_pixels)]


def main(descriptor: int | None, path: str | None) -> None:
    """Serve until stdin ends. The shared file comes as an open descriptor, or else by its name."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program decides; it ends this process
    _be_modest()
    gc.freeze()
    file = SharedFile.of_parent(descriptor, path)
    orders, answers = sys.stdin.buffer, _private_stdout()
    with suppress(EOFError, BrokenPipeError):
        protocol.send(answers, {"ready": True})
        while True:
            order = Order.from_json(protocol.receive(orders))
            protocol.send(answers, _serve(order, file, orders, answers))
            gc.collect()  # tifffile's objects form cycles that keep pixels in memory


def _private_stdout() -> BinaryIO:
    """Keep stdout for answers alone: what libraries print is discarded."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return answers


def _serve(order: Order, file: SharedFile, orders: BinaryIO, answers: BinaryIO) -> dict[str, object]:
    """Decode one file; returns the last answer, which is an error if anything went wrong."""
    try:
        data = file.read(order.size)
        _load_readers(codec.sniff(data), answers)
        _limit(order.limits)
        found = pages(data, order.max_pixels, order.extent)
        for picture in found:
            file.write(*protocol.arrays(picture))
            record = {"picture": protocol.describe(picture)}
            if isinstance(found, list):
                return {**record, "done": True}
            protocol.send(answers, record)
            protocol.receive(orders)
            _limit(order.limits)  # each page has its own time
    except (NsrError, ProtocolError) as error:
        return {"error": str(error), "trace": _trace(error) if error.__cause__ is not None else ""}
    except MemoryError:
        return {"error": "the picture takes more memory than it may"}
    except (BrokenPipeError, EOFError):
        raise
    except OSError as error:  # from the shared file, or the limit to its size
        return {"error": f"its pixels cannot be handed over: {error.strerror or type(error).__name__}"}
    except Exception as error:  # noqa: BLE001 (it must not affect the next picture)
        reason = f"it cannot be read ({type(error).__name__}); run with --debug for the traceback"
        return {"error": reason, "trace": _trace(error)}
    return {"done": True}


def _trace(error: Exception) -> str:
    """The traceback of an error; empty if too little memory or stack is left for that."""
    with suppress(Exception):
        return "".join(traceback.format_exception(error))[-protocol.LONGEST_TRACE :]
    return ""


def _load_readers(kind: str, answers: BinaryIO) -> None:
    """Load the library for a format: from a slow disk that may take longer than a picture is allowed to."""
    library = {
        "PNG": "imagecodecs._png",
        "TIFF": "tifffile",
        "JP2": "imagecodecs._jpeg2k",
        "AVIF": "PIL.AvifImagePlugin",
        "HEIC": "pillow_heif.options",
    }.get(kind)
    if library is None or library in sys.modules:
        return
    protocol.send(answers, {"loading": True})
    _limit(None)
    with suppress(ImportError):  # decoding will raise the same error
        loaded = importlib.import_module(library)
        if kind in _THREADS:  # more would take more memory than the limit counts with
            setattr(loaded, _THREADS[kind], 1)
    gc.freeze()  # modules live for ever: the collector need not look at them again
    protocol.send(answers, {"reading": True})


def _be_modest() -> None:
    """Leave no core dumps, and be the first process to be killed when the machine runs out of memory."""
    Image.MAX_IMAGE_PIXELS = None  # Pillow's limit is below ours; no other code here relies on it
    if sys.platform != "win32":
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _limit(limits: Limits | None) -> None:
    """Hold this process to `limits` from now on; None lifts them."""
    if sys.platform == "win32":
        return
    memory = seconds = size = None
    if limits is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        memory = _address_space() + limits.memory
        # The program's clock ends this process earlier; this limit is for the case that the program is gone.
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
        descriptor = os.open("/proc/self/statm", os.O_RDONLY)
        try:
            return int(os.read(descriptor, 64).split()[0]) * os.sysconf("SC_PAGE_SIZE")
        finally:
            os.close(descriptor)
    return 1 << 33
