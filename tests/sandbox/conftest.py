"""A decoding process that can be told to misbehave, by the first word of the "file" it gets.

Further words are names of files that it makes before.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nsr_cli.sandbox import launch
from nsr_cli.sandbox.decoder import Decoder

MISCHIEF = """
import ctypes, os, resource, signal, sys, time
sys.path[:] = {paths!r}
import numpy as np
from PIL import Image
from nsr_cli.errors import DecodeError
from nsr_cli.imaging import codec
from nsr_cli.imaging.picture import Picture
from nsr_cli.sandbox import protocol, worker

def spin():
    while True:
        pass

def chatter():
    for descriptor in (1, 2):
        os.write(descriptor, b"libpicture: warning\\n")
    os.system("echo said by a child")

def lie(**changes):
    true = protocol.describe
    protocol.describe = lambda picture: true(picture) | changes

def speak(raw):
    os.write(max(int(name) for name in os.listdir("/proc/self/fd") if pipe(name)), raw)

def pipe(name):
    try:
        return os.readlink("/proc/self/fd/" + name).startswith("pipe:")
    except OSError:
        return False

def facts():
    core, cpu = resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_CPU)[0]
    limits = core, 0 < cpu < 1000, Image.MAX_IMAGE_PIXELS
    return [str(fact) for fact in ("torch" in sys.modules, *limits, sys.flags.isolated, os.getpid())]

ACTS = dict(
    crash=lambda: ctypes.string_at(0),
    abort=os.abort,
    kill=lambda: os.kill(os.getpid(), signal.SIGKILL),
    leave=lambda: os._exit(0),
    spin=spin,
    sleep=lambda: time.sleep(100),
    memory=lambda: np.ones(1 << 36, np.uint8),
    claim=lambda: np.empty(1 << 31, np.uint8),  # no more than its limit forbids that: nothing is written to it
    recurse=lambda: (lambda f: f(f))(lambda f: f(f)),
    bug=lambda: [][1],
    chatter=chatter,
    far=lambda: lie(shape=(1 << 20, 1 << 20, 3)),
    wrong=lambda: lie(shape=(0, -1, 3)),
    object=lambda: lie(type="object"),
    short=lambda: lie(shape=(400, 400, 3)),
    garbage=lambda: speak(b"\\x80\\x04cos\\nsystem\\n"),
    facts=lambda: None,
)

def pages(data, max_pixels, extent):
    word, *signs = (word.decode("latin-1") for word in data.split())
    if word not in ACTS:
        return true_pages(data, max_pixels, extent)
    for sign in signs:
        open(sign, "wb").close()
    ACTS[word]()
    notes = tuple(facts()) if word == "facts" else ()
    return iter([Picture(np.zeros((2, 3, 1), np.uint8), notes=notes)])

true_pages, worker.pages = worker.pages, pages
true_sniff = codec.sniff
codec.sniff = lambda data: "PPM" if data.split()[0].decode("latin-1") in ACTS else true_sniff(data)
worker.main({descriptor!r}, {path!r})
"""


@pytest.fixture
def mischief(monkeypatch: pytest.MonkeyPatch) -> str:
    """Decoding processes do what the file says; what makes them so."""
    monkeypatch.setattr(launch, "_CODE", MISCHIEF)
    monkeypatch.setattr("nsr_cli.sandbox.decoder._PATIENCE", 0.7)
    return MISCHIEF


@pytest.fixture
def decoder(mischief: str) -> Iterator[Decoder]:
    with Decoder() as found:
        yield found


@pytest.fixture
def number_of() -> Callable[[Any], int]:
    """The system's number of the process that decodes."""

    def ask(decoder: Decoder) -> int:
        return int(decoder.pages(b"facts")[0].notes[-1])

    return ask
