"""What the decoding process does before it decodes."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import importlib, io, sys
from nsr_cli.sandbox import worker
kind, library = sys.argv[1:]
worker._load_readers(kind, io.BytesIO())
print(getattr(importlib.import_module(library), worker._THREADS[kind]))
"""


@pytest.mark.parametrize(
    ("kind", "library"), [("AVIF", "PIL.AvifImagePlugin"), ("HEIC", "pillow_heif.options")]
)
def test_libraries_decode_on_one_thread(kind: str, library: str) -> None:
    """Each thread takes address space, which the limit for a picture does not count on."""
    command = [sys.executable, "-c", SCRIPT, kind, library]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["1"]
