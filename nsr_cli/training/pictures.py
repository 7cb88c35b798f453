"""Training folders -> decoded uint8 pictures in memory."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nsr_cli.datasets.pictures import list_pictures
from nsr_cli.engine.finish import visible_color
from nsr_cli.errors import NotReady, NsrError, TrainingError
from nsr_cli.imaging.color import from_unit, rgb_to_ycc, to_unit
from nsr_cli.imaging.limits import most_bytes, without_option
from nsr_cli.imaging.whites import in_whole_range
from nsr_cli.machine import usable_threads
from nsr_cli.reads import read_regular
from nsr_cli.sandbox.decoder import Decoder
from nsr_cli.shown import safe_text
from nsr_cli.training.recipe import Color
from nsr_cli.training.status import Notify

_MOST_READERS = 8
_FILES_FOR_A_READER = 32  # for fewer, starting a process takes longer than reading them


def find_pictures(folders: Sequence[Path], run: Path | None = None) -> list[Path]:
    """Every picture file below the folders, in a fixed order, so that the same folders give the same list.

    A file that is found twice (a folder given twice, or with its subfolder; a link) counts once, else one copy might be
    trained on while the other is held out for validation. The curve in the folder `run` is left out.

    Raises:
        DataError: a folder is missing, or holds no picture.
    """
    own = _place(run) if run is not None else None
    found: dict[Path, Path] = {}
    for folder in folders:
        for path in list_pictures(folder):
            place = _place(path)
            if own is None or own not in place.parents:
                found.setdefault(place, path)
    return list(found.values())


def _place(path: Path) -> Path:
    """The path without links; unlike `Path.resolve`, this leaves those in a circle to whoever reads the file."""
    return Path(os.path.realpath(path))


def load_pictures(files: Sequence[Path], color: Color, notify: Notify) -> list[npt.NDArray[np.uint8]]:
    """Decode to (H, W, C) uint8 with C = 3 (rgb) or 1 (gray); `notify` gets a line about each unreadable file.

    The files are untrusted, so they are decoded in separate processes.

    Raises:
        TrainingError: not one file could be read.
        NotReady: no process for decoding could be started in time.
    """

    def load(path: Path) -> npt.NDArray[np.uint8] | str:
        try:
            picture = decoder.first(read_regular(path, most_bytes()))
            return _to_color(in_whole_range(visible_color(picture), picture.white), color)
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"
        except NotReady:  # there would be no decoder for the next one either
            raise
        except NsrError as error:
            return without_option(str(error))

    readers = min(usable_threads(), _MOST_READERS, 1 + len(files) // _FILES_FOR_A_READER)
    with Decoder() as decoder, ThreadPoolExecutor(readers) as pool:
        loaded = list(pool.map(load, files))
    pictures = []
    for path, result in zip(files, loaded, strict=True):
        if isinstance(result, str):
            notify(f"skipped {safe_text(path)}: {result}")
        else:
            pictures.append(result)
    if not pictures:
        raise TrainingError(f"none of the {len(files)} training pictures could be read; check --data")
    return pictures


def _to_color(pixels: npt.NDArray[Any], color: Color) -> npt.NDArray[np.uint8]:
    if color == "gray" and pixels.shape[2] == 3:
        pixels = rgb_to_ycc(to_unit(pixels))[..., :1]
    if color == "rgb" and pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    eight: npt.NDArray[np.uint8] = (
        pixels if pixels.dtype == np.uint8 else from_unit(to_unit(pixels), np.uint8)
    )
    return eight
