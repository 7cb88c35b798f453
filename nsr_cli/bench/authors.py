"""The authors' scheme as their code runs it, to be measured against.

All overlapping patches of a picture are one batch, every sparse layer is one convolution with as many groups, and
numbers are float32. On a CPU it runs in a process of its own, `python -m nsr_cli.bench.authors REPEATS THREADS`, since
nsr's settings of malloc are not part of their scheme.
"""

import subprocess
import sys
from functools import partial

import torch

from nsr_cli.bench.figures import Figure, Place
from nsr_cli.bench.networks import SIZE, folded, in_float32
from nsr_cli.engine.executor import Executor
from nsr_cli.engine.patches import overlapping_patches
from nsr_cli.errors import NsrError


def authors_scheme(place: Place) -> list[Figure]:
    """The authors' scheme against the selection grid in the place's number type; same weights, picture of `SIZE`."""
    executor = Executor(folded("sparse-plus"), place.device, place.dtype, repeat=True)
    x = torch.rand(3, *SIZE)
    ours = place.time_in_turn({"ours": partial(executor, x, None, place.batch)})["ours"]
    theirs = _in_own_process(place) if place.device.type == "cpu" else seconds_of_authors(place)
    target = 7 if in_float32(place) else 12
    return [
        Figure("authors' overlapping patches, fp32", theirs, "s"),
        Figure.at_least(target, "times faster on the selection grid", theirs / ours, "×"),
    ]


def seconds_of_authors(place: Place) -> float:
    """Median seconds for `sparse-plus` ×4, in this process."""
    network, x = folded("sparse-plus").to(place.device), torch.rand(3, *SIZE, device=place.device)
    run = partial(overlapping_patches, network, x, batch=sys.maxsize)
    return place.time_in_turn({"authors": run})["authors"]


def _in_own_process(place: Place) -> float:
    few = (place.repeats + 1) // 2  # each takes many times as long as ours
    command = [sys.executable, "-P", "-m", __name__, str(few), str(place.cores)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (this very module)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise NsrError(f"the authors' scheme cannot be measured: {last}; run the bench again")
    return float(done.stdout)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    cpu = Place(torch.device("cpu"), torch.float32, int(sys.argv[1]))
    sys.stdout.write(f"{seconds_of_authors(cpu)}\n")
