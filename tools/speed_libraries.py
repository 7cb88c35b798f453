"""Our engine against other libraries that run networks, in turn in one run: JSON for docs/performance/*.json.

    python tools/speed_libraries.py plain --network sparse-plus [--by pytorch onnxruntime openvino] [--repeats 5]
    python tools/speed_libraries.py sparse --network lite [--exports DIR]

`plain`: the others run a plain network of the same shape. `sparse`: they run the very network that the engine runs, in
its grouped form, on whole windows. Needs `onnx`, `onnxruntime` and `openvino` from PyPI beside the project; what is not
there is left out and said. Networks for them are kept under --exports, so that they are made once. Everything is in
fp32 on all cores; results are compared before anything is timed.
"""

import argparse
import dataclasses
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from speed_report import Measured, report  # type: ignore[import-not-found, unused-ignore]
from torch import Tensor

from nsr_cli.bench.figures import Figure, channels_last, time_in_turn
from nsr_cli.bench.networks import SIZE, folded, run_plain
from nsr_cli.engine.device import prepare_cpu
from nsr_cli.engine.executor import Executor
from nsr_cli.machine import usable_threads
from nsr_cli.model import sparse_conv
from nsr_cli.model.config import PRESETS
from nsr_cli.model.network import Network
from nsr_cli.training.forms import CPU_FORMS

SCALES = {"sparse-plus": 4, "lite": 2}
CLOSE = 1e-3  # how far results may be apart, for pictures in [0, 1]
OURS = "our engine"
Run = Callable[[], NDArray[np.float32]]


class Absent(Exception):
    """A library is not installed or cannot run the network; the text says so."""


@dataclass(frozen=True, slots=True)
class Job:
    """One network on one picture (1, 3, H, W), and where its ONNX export is kept."""

    name: str
    network: Network
    picture: Tensor
    exports: Path


def network_of(preset: str, *, plain: bool) -> Network:
    """A network with random weights; `plain`: one of the same shape without a choice of kernels."""
    changes: dict[str, Any] = {"selection": "none", "groups": 1, "cardinality": 1} if plain else {}
    return folded(preset, scale=SCALES[preset], **changes)


def ours(job: Job) -> Run:
    """The engine. Around the picture it sees zeros, as the network itself does."""
    executor = Executor(job.network, torch.device("cpu"), torch.float32)

    def run() -> NDArray[np.float32]:
        restored: NDArray[np.float32] = executor(job.picture[0], None, 1)[None].numpy()
        return restored

    return run


def pytorch(job: Job) -> Run:
    """PyTorch alone, as fast as it can."""
    network, picture = copy_of(job), channels_last(job.picture)
    CPU_FORMS[0].prepare(network)
    if job.network.config.selection != "none":
        return lambda: network(picture).numpy()
    return lambda: run_plain(network, picture).numpy()


def compiled(job: Job) -> Run:
    """torch.compile: fused code for this size, which a C++ compiler makes at the first call."""
    network = torch.compile(copy_of(job).to(memory_format=torch.channels_last), dynamic=False)  # type: ignore[call-overload]
    picture = channels_last(job.picture)
    return lambda: network(picture).numpy()


def onednn(job: Job) -> Run:
    """The graph of oneDNN through TorchScript."""
    script: Any = torch.jit  # it has no types
    script.enable_onednn_fusion(True)
    traced = script.freeze(script.trace(copy_of(job), job.picture))
    for _ in range(2):  # once to learn the shapes, once to fuse
        traced(job.picture)
    if "onednn" not in str(script.last_executed_optimized_graph()).lower():
        raise Absent("PyTorch made no graph for oneDNN of it")
    return lambda: traced(job.picture).numpy()


def onnxruntime(job: Job) -> Run:
    """ONNX Runtime's CPU provider."""
    library = imported("onnxruntime")
    options = library.SessionOptions()
    options.intra_op_num_threads = usable_threads()
    session = library.InferenceSession(str(exported(job)), options, providers=["CPUExecutionProvider"])
    given = {"x": job.picture.numpy()}
    return lambda: session.run(None, given)[0]


def openvino(job: Job) -> Run:
    """OpenVINO's CPU plugin, set to fp32, since by default it may use narrower numbers."""
    library = imported("openvino")
    wishes = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": usable_threads()}
    model = library.Core().compile_model(str(exported(job)), "CPU", wishes)
    given = job.picture.numpy()
    return lambda: model([given])[0]


BY: Mapping[str, tuple[str, str, Callable[[Job], Run]]] = {  # its name, its distribution, how
    "pytorch": ("PyTorch", "torch", pytorch),
    "onnxruntime": ("ONNX Runtime", "onnxruntime", onnxruntime),
    "openvino": ("OpenVINO", "openvino", openvino),
    "compile": ("torch.compile", "torch", compiled),
    "onednn": ("oneDNN Graph through PyTorch", "torch", onednn),
}


def copy_of(job: Job) -> Network:
    """A copy of the network, for libraries that change its memory format."""
    other = Network(job.network.config).fold()
    other.load_state_dict(job.network.state_dict())
    return other.eval().requires_grad_(False)


def imported(name: str) -> Any:
    if find_spec(name) is None:
        raise Absent(f"{name} is not installed")
    return __import__(name)


def exported(job: Job) -> Path:
    """The network as ONNX for pictures of this size alone, exported if it is not there yet."""
    imported("onnx")
    _, _, height, width = job.picture.shape
    path = job.exports / f"{job.name}-{width}x{height}.onnx"
    if not path.exists():
        job.exports.mkdir(parents=True, exist_ok=True)
        with patch.object(sparse_conv, "with_halo", cut), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names: dict[str, Any] = {"input_names": ["x"], "output_names": ["y"]}
            torch.onnx.export(job.network, (job.picture,), str(path), dynamo=False, opset_version=17, **names)
    return path


def cut(x: Tensor, window: int) -> tuple[Tensor, int]:
    """`with_halo` for whole windows, with operations that ONNX has."""
    height, width, channels, side = int(x.shape[2]), int(x.shape[3]), int(x.shape[1]), window + 2
    rows, cols = height // window, width // window
    down, right = (
        (torch.arange(count)[:, None] * window + torch.arange(side)).flatten() for count in (rows, cols)
    )
    padded = F.pad(x, (1, 1, 1, 1)).index_select(2, down).index_select(3, right)
    grid = padded.view(1, channels, rows, side, cols, side).permute(0, 2, 4, 1, 3, 5)
    return grid.reshape(rows * cols, channels, side, side), 0


def picture_of(height: int, width: int) -> Tensor:
    """(1, 3, H, W): noise on a ramp, so that the means of windows differ."""
    torch.manual_seed(1)
    return torch.rand(1, 3, height, width) * torch.linspace(0, 1, width)


def size_of(preset: str, *, whole: bool) -> tuple[int, int]:
    """Height and width of the picture; `whole`: the nearest number of whole windows."""
    if not whole:
        return SIZE
    window = PRESETS[preset].window
    height, width = (max(1, round(length / window)) * window for length in SIZE)
    return height, width


def measure(arguments: argparse.Namespace, exports: Path) -> Measured:
    """The section of one comparison."""
    prepare_cpu()
    preset, sparse = arguments.network, arguments.kind == "sparse"
    height, width = size_of(preset, whole=sparse)
    engine = Job(preset, network_of(preset, plain=False), picture_of(height, width), exports)
    job = engine
    if not sparse:
        job = dataclasses.replace(engine, name=f"{preset}-plain", network=network_of(preset, plain=True))
    mine = ours(engine)
    with torch.no_grad():  # TorchScript cannot freeze what inference mode made
        expected = mine()
        others, missing = prepared(
            job, arguments.by, expected if sparse else job.network(job.picture).numpy()
        )
        medians = time_in_turn({OURS: mine, **others}, arguments.repeats, torch.device("cpu"))
    figures = [Figure(f"{OURS}, {preset}", medians.pop(OURS), "s")]
    of = preset if sparse else f"plain network like {preset}"
    figures += [Figure(f"{name}, {of}", value, "s") for name, value in medians.items()]
    what = "the same network" if sparse else "a plain network of the same shape"
    title = f"Other libraries: {what}, {preset} ×{SCALES[preset]}, {width}×{height}"
    return Measured(title, figures, [*notes(arguments), *missing], base=figures[0].name)


def prepared(
    job: Job, words: Sequence[str], expected: NDArray[np.float32]
) -> tuple[dict[str, Run], list[str]]:
    """The libraries that give the expected result, by name and version, and why others are left out."""
    runs: dict[str, Run] = {}
    missing = []
    for word in words:
        name, package, make = BY[word]
        try:
            run = make(job)
            apart = float(np.abs(run() - expected).max())
            if not apart <= CLOSE:
                raise Absent(f"its result is {apart:.2g} from the network's")
            runs[f"{name} {version(package)}"] = run
        except (Absent, RuntimeError) as problem:
            missing.append(f"{name} was left out: {str(problem).strip().splitlines()[0]}.")
    return runs, missing


def notes(arguments: argparse.Namespace) -> list[str]:
    """How the figures were measured, and what the libraries take on the disk."""
    windows = (
        "the reference network, every window with its kernel (a grouped convolution), whole windows alone"
    )
    graph = windows if arguments.kind == "sparse" else "plain convolutions"
    sizes = {package: installed(package) for package in ("torch", "onnxruntime", "openvino")}
    takes = ", ".join(f"{package} {size / 1e6:.0f} MB" for package, size in sizes.items() if size)
    cores = f"{usable_threads()} core{'s' * (usable_threads() > 1)}"
    how = f"Medians of {arguments.repeats} runs each, in turn, fp32, {cores}."
    return [
        f"{how} Before, the results were compared: each is at most {CLOSE:g} from the network's.",
        f"The others ran {graph}, prepared for this size alone.",
        f"On the disk: {takes}.",
    ]


def installed(package: str) -> int:
    """Bytes of a distribution's files; 0 if it is not installed."""
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        return 0
    paths = (Path(str(file.locate())) for file in files)
    return sum(path.stat().st_size for path in paths if path.is_file())


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("kind", choices=("plain", "sparse"))
    parser.add_argument("--network", choices=tuple(SCALES), default="sparse-plus")
    parser.add_argument("--by", nargs="+", choices=tuple(BY), default=["pytorch", "onnxruntime", "openvino"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--exports", metavar="DIR", type=Path)
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report(lambda: measure(arguments, arguments.exports or Path(folder)))


if __name__ == "__main__":
    main()
