"""Weights are what the manifest says, to the bit, or are not used; nothing in a file is ever run."""

import io
import os
import pickle
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from nsr_cli.errors import WeightsError
from nsr_cli.model.convert import import_pth
from nsr_cli.restore import Restorer
from nsr_cli.weights.store import WeightStore
from tests.promises import Reached

pytestmark = pytest.mark.slow

FLIPS = 240


def regions(data: bytes) -> dict[str, tuple[int, int]]:
    """The parts of a safetensors file: the length of the header, the header, the numbers."""
    header = int.from_bytes(data[:8], "little")
    return {"length": (0, 8), "header": (8, 8 + header), "numbers": (8 + header, len(data))}


@pytest.mark.promise(
    "Weights and data: one flipped bit in a bundled or cached file (in its length, header and numbers, first and last "
    "bytes included) is refused when it is loaded",
    count=2 * 3 * FLIPS,
)
@pytest.mark.parametrize("place", ["bundled", "cache"])
def test_a_flipped_bit_is_refused(place: str, tmp_path: Path, reached: Reached) -> None:
    entry, whole = WeightStore(cache=tmp_path / "none", offline=True).read("upscale-x2-lite")
    folders = {kind: tmp_path / kind for kind in ("bundled", "cache")}
    for folder in folders.values():
        folder.mkdir()
    store = WeightStore(bundled=folders["bundled"], cache=folders["cache"], offline=True)
    path, chance = folders[place] / entry.file, random.Random(1)
    path.write_bytes(whole)
    assert store.read(entry)[1] == whole
    with path.open("r+b") as file:
        for start, stop in regions(whole).values():
            for number in range(FLIPS):
                at = (start, stop - 1)[number] if number < 2 else chance.randrange(start, stop)
                damaged = whole[at] ^ (1 << chance.randrange(8))
                file.seek(at)
                file.write(bytes([damaged]))
                file.flush()
                with pytest.raises(WeightsError, match="damaged"):
                    store.read(entry)
                file.seek(at)
                file.write(whole[at : at + 1])
                file.flush()
                reached()
    assert store.read(entry)[1] == whole


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, way: str, folder: Path) -> None:
        self.way, self.folder = way, str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.way == "system":
            return os.system, (f"mkdir {self.folder}",)
        if self.way == "eval":
            return eval, (f"__import__('os').mkdir({self.folder!r})",)
        if self.way == "exec":
            return exec, (f"import os; os.mkdir({self.folder!r})",)
        return os.mkdir, (self.folder,)


def packed(form: str, payload: object) -> bytes:
    if form.startswith("pickle"):
        return pickle.dumps(payload, protocol=int(form[-1]))
    file = io.BytesIO()
    torch.save(payload, file, _use_new_zipfile_serialization=form == "zip")
    return file.getvalue()


@pytest.mark.promise(
    "Weights and data: code in a .pth (4 ways, bare pickles of protocols 0 to 5, PyTorch's old and new packing) never "
    "runs, be it imported, given as --model or read as weights",
    count=4 * 8 * 3,
)
@pytest.mark.parametrize("way", ["mkdir", "system", "eval", "exec"])
def test_code_in_a_file_never_runs(way: str, tmp_path: Path, reached: Reached) -> None:
    ran = tmp_path / "ran"
    for form in ("zip", "old", *(f"pickle {protocol}" for protocol in range(6))):
        payload = {"model_state_dict": {"head.weight": torch.zeros(2), "evil": Canary(way, ran)}}
        data = packed(form, payload)
        path = tmp_path / "evil.pth"
        path.write_bytes(data)
        with pytest.raises(WeightsError):
            import_pth(data, "evil.pth")
        for named in (path, path.with_suffix(".safetensors")):
            named.write_bytes(data)
            with pytest.raises(WeightsError) as caught:
                Restorer.load("upscale", scale=2, model=str(named), device="cpu")
            assert "\n" not in str(caught.value)
        assert not ran.exists(), (way, form)
        reached(3)
