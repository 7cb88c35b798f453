"""The tools that make the project's figures: their commands exist, and their pages say what was measured."""

import argparse
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsr_cli.cli.commands import load
from nsr_cli.cli.table import COMMANDS
from nsr_cli.datasets.registry import load_registry
from nsr_cli.evaluate import PictureScore
from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import SparseConvolution
from nsr_cli.scoreboard import scores
from nsr_cli.training.recipe import make_recipe
from tests.cli.test_evaluate import row
from tests.tiny import tiny_network

ROOT = Path(__file__).resolve().parents[1]


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tools"))  # they share code beside them
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ablation() -> ModuleType:
    return tool("ablation")


@pytest.fixture
def harness(ablation: ModuleType, tmp_path: Path) -> Any:
    return ablation.Harness((tmp_path / "photos",), ("Set5",), None, tmp_path / "out", 20, "cpu")


def write_result(ablation: ModuleType, harness: Any, name: str, psnr: float) -> None:
    (run,) = [run for run in ablation.RUNS if run.name == name]
    harness.folder.mkdir(parents=True, exist_ok=True)
    saved = {
        "train": harness.train_command(run),
        "eval": harness.eval_command(run),
        "seconds": 2.0,
        "scores": {"Set5": {"psnr": psnr, "ssim": 0.9, "images": 5}},
    }
    harness.file_of(run).write_text(json.dumps(saved), encoding="utf-8")


def recipe_of(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The recipe that `nsr train` makes of a command."""
    import nsr_cli.cli.train as command

    made = []
    monkeypatch.setattr(command, "_run", lambda console, recipe, *rest, **more: made.append(recipe))
    monkeypatch.setattr(command, "console_of", lambda ctx: None)
    words = arguments[1:] if arguments[0] == "train" else arguments
    load("train", COMMANDS["train"]).main(words, standalone_mode=False)
    return made[0]


def test_every_row_of_the_ablation_is_a_training_run_of_its_own(
    ablation: ModuleType, harness: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = {run.name: recipe_of(harness.train_command(run), monkeypatch) for run in ablation.RUNS}
    assert {line.run for table in ablation.TABLES for line in table.lines} <= set(recipes)
    base = recipes["softmax"].network
    assert (base.blocks, base.width, base.expansion, base.groups, base.cardinality) == (2, 32, 4, 4, 16)
    assert base.selection == "softmax" and base.temperature == 1
    for recipe in recipes.values():
        assert (recipe.steps, recipe.batch, recipe.schedule, recipe.patch) == (20, 4, "cosine", 48)
        assert recipe.network.macs_per_pixel == base.macs_per_pixel
    distinct = {(str(recipe.network), recipe.seed) for recipe in recipes.values()}
    assert len(distinct) == len(recipes)
    layer = Network(recipes["se"].network).blocks[0].first
    assert isinstance(layer, SparseConvolution) and layer.cardinality == layer.out_channels == 128


def test_done_rows_are_kept_and_rows_of_another_schedule_are_not(
    ablation: ModuleType, harness: Any, tmp_path: Path
) -> None:
    write_result(ablation, harness, "plain", 30.0)
    plain, base = ablation.RUNS[:2]
    assert harness.result(plain) is not None and harness.result(base) is None
    longer = ablation.Harness((tmp_path / "photos",), ("Set5",), None, tmp_path / "out", 40, "cpu")
    other = ablation.Harness((tmp_path / "photos",), ("Set14",), None, tmp_path / "out", 20, "cpu")
    assert longer.result(plain) is None and other.result(plain) is None
    harness.file_of(plain).write_text("{", encoding="utf-8")
    assert harness.result(plain) is None


def test_the_summary_says_where_the_order_is_not_the_papers(ablation: ModuleType, harness: Any) -> None:
    figures = {"plain": 30.0, "softmax": 30.5, "gumbel": 30.2, "softmax-seed1": 30.52, "softmax-seed2": 30.45}
    for name, psnr in figures.items():
        write_result(ablation, harness, name, psnr)
    summary = ablation.summary(harness)
    assert "Set5 0.070 dB" in summary["about"] and str(harness.out) not in json.dumps(summary)
    constraint, groups, _ = summary["tables"]
    assert ["Gumbel-softmax", "34.45", "30.200"] in constraint["rows"]
    assert ["softmax τ = 10", "34.86", "–"] in constraint["rows"]
    (against,) = [note for note in constraint["notes"] if "other than" in note]
    assert against == (
        "Set5, other than in the paper: Gumbel-softmax above N/A: plain convolutions by 0.200 dB."
    )
    assert "Set5: the order is the paper's." in groups["notes"]
    write_result(ablation, harness, "gumbel", 30.05)
    assert "(within the spread)" in str(ablation.summary(harness)["tables"][0]["notes"])


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (["softmax"], "No row was trained with several seeds."),
        (["softmax", "softmax-seed1"], "Highest minus lowest of two seeds of one row: Set5 1.000 dB."),
        (["softmax", "softmax-seed1", "softmax-seed2"], "three seeds of one row: Set5 2.000 dB."),
    ],
)
def test_the_summary_says_how_many_seeds_there_were(
    runs: list[str], said: str, ablation: ModuleType, harness: Any
) -> None:
    for number, name in enumerate(runs):
        write_result(ablation, harness, name, 30.0 + number)
    assert ablation.summary(harness)["about"].endswith(said)


def test_the_page_of_results_holds_what_the_commands_printed(tmp_path: Path) -> None:
    page = tool("make_results")
    rows = [row(psnr=37.5), row(model="input", model_sha256=None, psnr=float("inf"), paper=None)]
    command = "nsr eval --set Set5 -s 2 --model a/x2.safetensors --data /home/me/sets --json"
    answer = scores.as_json(rows, "cpu", "fp32", command)
    (tmp_path / "10-set5-lite.json").write_text(json.dumps(answer), encoding="utf-8")
    table = {"title": "k", "header": ["row", "dB"], "rows": [["k = 1", "30.1"]], "notes": ["as expected"]}
    tables = {
        "kind": "tables",
        "title": "Ablation",
        "command": "make it",
        "about": "Short.",
        "tables": [table],
    }
    (tmp_path / "90-ablation.json").write_text(json.dumps(tables), encoding="utf-8")
    text = page.document(tmp_path)
    assert "## Set5 lite\n\n```sh\nnsr eval --set Set5 -s 2 --model x2.safetensors\n```" in text
    assert scores.as_markdown(rows) in text and "0.52 dB below the paper's Sparse +" in text
    assert "/home/me" not in text
    assert text.index("Set5 lite") < text.index("## Ablation")
    assert "| k = 1 | 30.1 |" in text and "- as expected" in text


def test_the_page_of_results_leaves_single_pictures_out(tmp_path: Path) -> None:
    page = tool("make_results")
    rows = [row(pictures=(PictureScore("baby.png", 37.5, 0.96, 0.25),))]
    answer = scores.as_json(rows, "cpu", "fp32", "nsr eval --set Set5 --per-image", per_image=True)
    (tmp_path / "set5.json").write_text(json.dumps(answer), encoding="utf-8")
    assert "baby" not in page.document(tmp_path)


def test_the_page_in_the_repository_is_that_of_its_sources() -> None:
    page = tool("make_results")
    assert page.TARGET.read_text(encoding="utf-8") == page.document(page.SOURCES)


def test_a_training_step_is_measured_against_the_same_arithmetic() -> None:
    measure = tool("training_step")
    network = make_recipe("upscale-x2", "tiny", {"window": 8}).network
    plain = measure.plain_of(network)
    assert plain.selection == "none" and plain.macs_per_pixel == network.macs_per_pixel
    import torch

    for precision, windows in (("fp32", 1), ("bf16", 2)):
        trained = Network(network)
        before = [parameter.detach().clone() for parameter in trained.parameters()]
        arguments = argparse.Namespace(batch=4, windows=windows, precision=precision, form=None)
        form, device = measure.form_of(arguments, torch.device("cpu")), torch.device("cpu")
        assert form.convolution == ("looped" if windows == 1 else "stacked")
        measure.make_step(trained, form, arguments, device)()
        assert not any(map(torch.equal, before, trained.parameters()))


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads a tool that measures speed; they share code beside them."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return tool


def section(**changes: Any) -> dict[str, Any]:
    machine = {
        "processor": "CPU",
        "flags": ["avx2"],
        "cores": 2,
        "torch": "2",
        "date": "2026-01-02",
        "others": 0.01,
    }
    figures = [
        {"name": "start", "value": 0.3124, "unit": "s", "target": "≤ 0.25", "met": False},
        {"name": "throughput", "value": 0.95, "unit": "×", "target": "≥ 0.9", "met": True},
    ]
    given = {
        "title": "Start",
        "command": "python tools/measure_speed.py start",
        "machine": machine,
        "plot": None,
    }
    return {"schema": 1, "figures": figures, "notes": ["Medians."], **given, **changes}


def test_the_page_of_speed_says_by_how_much_a_target_is_missed(speed: Any, tmp_path: Path) -> None:
    page = speed("speed_page")
    (tmp_path / "20-start.json").write_text(json.dumps(section()), encoding="utf-8")
    (tmp_path / "10-bench.json").write_text(
        json.dumps(section(title="First", plot="a.png")), encoding="utf-8"
    )
    text = page.document(tmp_path)
    assert "2 of 4 targets are met." in text and text.index("## First") < text.index("## Start")
    assert "| start | 0.312 s | ≤ 0.25 | no, by 0.062 s |" in text
    assert "| throughput | 0.950 × | ≥ 0.9 | yes |" in text
    assert f"({tmp_path.name}/a.png)" in text and "others used 1% of it" in text


def test_the_page_of_speed_in_the_repository_is_that_of_its_sources(speed: Any) -> None:
    page = speed("speed_page")
    assert page.TARGET.read_text(encoding="utf-8") == page.document(page.SOURCES)


def test_a_measured_command_is_shown_without_the_places_of_one_machine(speed: Any) -> None:
    words = ["/w/tools/measure_speed.py", "folder", "--photos", "/home/me/photos", "--plot", "docs/a.png"]
    shown = speed("speed_report").public(words)
    assert shown == "python tools/measure_speed.py folder --photos photos --plot docs/a.png"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["nsr", "train", "--out", "/home/me/runs/plain"], "nsr train --out plain"),
        (["nsr", "eval", "--model=/home/me/a.safetensors"], "nsr eval --model=a.safetensors"),
        (["a.py", "--photos", "/home/me/my photos/"], "a.py --photos 'my photos'"),
        (["a.py", "--plot", "docs/performance/growth.png"], "a.py --plot docs/performance/growth.png"),
    ],
)
def test_a_page_shows_no_folder_of_one_machine(words: list[str], shown: str) -> None:
    assert tool("commands").shown(words) == shown


@pytest.mark.parametrize("measured", [False, True])
def test_the_page_of_speed_says_whether_full_hd_was_measured(
    measured: bool, speed: Any, tmp_path: Path
) -> None:
    size = "1920×1080" if measured else "510×339"
    figure = {"name": f"sparse-plus, {size} ×4", "value": 1.0, "unit": "s", "target": "", "met": None}
    (tmp_path / "10-bench.json").write_text(json.dumps(section(figures=[figure])), encoding="utf-8")
    text = speed("speed_page").document(tmp_path)
    assert ("full HD were not measured" in text) != measured


def test_one_picture_holds_the_pixels_of_the_small_ones(speed: Any, tmp_path: Path) -> None:
    measure = speed("measure_speed")
    random = np.random.default_rng(0)
    for name, side in (("a", 20), ("b", 9), ("c", 12)):  # the second is too small
        measure.write(tmp_path / f"{name}.png", random.integers(0, 256, (side, side, 3), dtype=np.uint8))
    crops = measure.small_pictures(tmp_path, 2, side=10)
    assert np.array_equal(measure.mosaic(crops, 1), np.concatenate(crops, axis=1))
    assert measure.mosaic(crops, 2).shape == (20, 10, 3)
    with pytest.raises(SystemExit, match="fewer than 3"):
        measure.small_pictures(tmp_path, 3, side=10)


def test_the_memory_of_children_counts(speed: Any) -> None:
    memory = speed("speed_memory")
    child = "x = bytearray(60_000_000); import time; time.sleep(0.3)"
    taken, seconds = memory.peak_memory(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"]
    )
    assert 60_000_000 < taken < 200_000_000 and seconds > 0.3


def test_a_rival_in_another_process_is_scored_and_timed_beside_ours(
    speed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rivals = speed("speed_rivals")
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import json, sys, numpy as np\n"
        "print(json.dumps({'program': 'same 1.0'}), flush=True)\n"
        "for line in sys.stdin:\n"
        "    wanted = json.loads(line)\n"
        "    np.save(wanted['out'], np.load(wanted['in']))\n"
        "    print(json.dumps({'seconds': 2.0}), flush=True)\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(rivals, "WORKER", worker)
    picture = tmp_path / "01.png"
    speed("measure_speed").write(picture, np.full((32, 32, 3), 128, np.uint8))
    case = rivals.Case(rivals.load_registry().get("Set12"), "denoise", sigma=25)
    with rivals.Rival(sys.executable, "same", whole_levels=False) as rival:
        assert rival.name == "same 1.0"
        same = lambda array: (rivals.from_unit(array, np.uint8), 0.5)  # noqa: E731
        ours, theirs = rivals.compare(case, [picture], [same, rival], 2)
    assert (ours.seconds, theirs.seconds) == (0.5, 2.0)
    assert ours.psnr == theirs.psnr == pytest.approx(20.3, abs=0.5)


PROMISES = """
import pytest

def promise(number, count=1):
    return pytest.mark.promise(f"Writing: promise {number}", count=count)

@promise(1, 2)
@pytest.mark.parametrize("value", [1, 2])
def test_kept(value): pass

@promise(2)
def test_broken(): assert 3 == 4, "it saw four"

@promise(3)
@pytest.mark.skipif(True, reason="no disk")
def test_skipped(): pass

@promise(4)
@pytest.mark.xfail(reason="off by two")
def test_known(): assert False

@promise(5, 9)
def test_short(): pass

@promise(6, 2)
@pytest.mark.parametrize("value", [1, 2])
def test_half(value):
    if value == 2:
        pytest.skip("no root")

@promise(7)
def test_torn_down(torn): pass

@pytest.fixture
def torn():
    yield
    raise OSError("left over")

@promise(8)
@pytest.mark.xfail(reason="thought to be broken")
def test_better(): pass
"""


@pytest.fixture
def reliability(tmp_path: Path) -> Callable[..., Any]:
    """Runs the tool in a process of its own over a small set of promises; gives its exit code and page."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "conftest.py").write_text("pytest_plugins = ['tests_promises']\n")
    source = (ROOT / "tests" / "promises.py").read_text(encoding="utf-8")
    register = "\n\ndef pytest_configure(config):\n    config.addinivalue_line('markers', MARKER)\n"
    (tmp_path / "tests_promises.py").write_text(source + register, encoding="utf-8")
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); import write_reliability as tool\n"
        "top = pathlib.Path('.').resolve(); docs = top / 'docs'; tool.ROOT = top\n"
        "tool.PAGE, tool.OUTCOMES, tool.LIMITS = docs / 'a.md', docs / 'a.json', docs / 'none'\n"
        "sys.argv[1:] = sys.argv[2:]; sys.exit(tool.main())\n"
    )

    def run(*words: str, **files: str) -> tuple[int, str]:
        for name, text in files.items():
            (tmp_path / "tests" / f"test_{name}.py").write_text(text, encoding="utf-8")
        command = [sys.executable, "-c", code, str(ROOT / "tools"), *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        page = tmp_path / "docs" / "a.md"
        return done.returncode, page.read_text(encoding="utf-8") if page.exists() else ""

    return run


def test_a_promise_is_kept_only_if_all_its_tests_passed(reliability: Callable[..., Any]) -> None:
    code, page = reliability(some=PROMISES)
    said = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[2:4] for line in page.splitlines()}
    assert code == 1 and "1 of 8 promises were kept" in page
    assert said["promise 1"] == ["2 of 2", "kept"]
    assert said["promise 2"] == ["0 of 1", "**not kept**: test_broken: it saw four"]
    assert said["promise 3"] == ["0 of 1", "skipped: no disk"]
    assert said["promise 4"] == ["0 of 1", "**not kept**: off by two"]
    assert said["promise 5"] == ["1 of 9", "**not kept**: the tests reached 1 of 9"]
    assert said["promise 6"] == ["1 of 2", "skipped: no root"]
    assert said["promise 7"] == ["1 of 1", "**not kept**: test_torn_down: OSError: left over"]
    assert said["promise 8"][1].startswith("**not kept**")


def test_promises_of_a_file_that_cannot_be_imported_stay_on_the_page(reliability: Callable[..., Any]) -> None:
    _, page = reliability(some=PROMISES, other=PROMISES.replace("promise {", "other {"))
    code, after = reliability(other="import nowhere\n")
    assert code != 0 and after == page and "other 1" in page


def test_one_promise_is_tested_again_and_the_others_keep_their_outcome(
    reliability: Callable[..., Any],
) -> None:
    reliability(some=PROMISES)
    code, page = reliability("promise 2", some=PROMISES.replace("3 == 4", "4 == 4"))
    assert code == 0 and "2 of 8 promises were kept" in page


def test_the_gain_of_spreading_compares_the_same_weights(tmp_path: Path) -> None:
    gain = tool("clipping_gain")
    # Black and white blocks: every network overshoots at their edges, so that something is cut off.
    blocks = np.random.default_rng(3).integers(0, 2, (10, 12, 1), dtype=np.uint8) * 255
    Image.fromarray(blocks.repeat(4, 0).repeat(4, 1).repeat(3, 2)).save(tmp_path / "a.png")
    case, model = gain.cases(load_registry().get("Set5"))[2]
    name, cut, spread, difference, *_ = gain.line(case, model, [tmp_path / "a.png"])
    assert name == "upscale-x4-lite"
    assert cut != spread and float(difference) == pytest.approx(float(spread) - float(cut), abs=2e-3)


def test_the_page_of_speed_shows_other_libraries_as_multiples_of_our_engine(
    speed: Any, tmp_path: Path
) -> None:
    page = speed("speed_page")
    times = {
        "40-same": {"our engine, lite": 0.5, "OpenVINO 1, lite": 0.6, "PyTorch 2, lite": 0.9},
        "41-plain": {
            "our engine, lite": 0.4,
            "OpenVINO 1, plain network like lite": 0.3,
            "PyTorch 2, plain network like lite": 0.375,
        },
        "42-plain": {"our engine, plus": 2.0, "OpenVINO 1, plain network like plus": 1.8},
    }
    for name, values in times.items():
        figures = [
            {"name": key, "value": value, "unit": "s", "target": "", "met": None}
            for key, value in values.items()
        ]
        one = section(title=f"Other libraries: {name}", figures=figures, base=next(iter(values)))
        (tmp_path / f"{name}.json").write_text(json.dumps(one), encoding="utf-8")
    text = page.document(tmp_path)
    assert "| our engine, lite | 0.500 s | 1.00 × |" in text
    assert "| OpenVINO 1, lite | 0.600 s | 1.20 × |" in text and "0 of 0 targets" in text
    same, plain = (line for line in text.splitlines() if line.endswith("the time of our engine."))
    assert "1.20 × (OpenVINO 1, lite) to 1.80 × (PyTorch 2, lite)" in same
    assert "0.750 × (OpenVINO 1, plain network like lite) to 0.938 × (PyTorch 2, plain network like" in plain
    assert "against PyTorch: 0.800 × its time" in text
    assert text.index("## Other libraries: 42-plain") < text.index("None was taken")


def test_a_library_that_is_not_there_or_wrong_is_left_out_and_said(
    speed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = speed("speed_libraries")
    monkeypatch.setattr(libraries, "find_spec", lambda name: None)
    job = libraries.Job("tiny", tiny_network(window=8), libraries.picture_of(16, 24), tmp_path)
    expected = job.network(job.picture).numpy()
    same, missing = libraries.prepared(job, ["pytorch", "onnxruntime", "openvino"], expected)
    assert [name.split()[0] for name in same] == ["PyTorch"]
    assert missing == [
        "ONNX Runtime was left out: onnxruntime is not installed.",
        "OpenVINO was left out: openvino is not installed.",
    ]
    assert set(libraries.time_in_turn(same, 2, libraries.torch.device("cpu"))) == set(same)
    same, missing = libraries.prepared(job, ["pytorch"], expected + 0.01)
    assert not same and missing == ["PyTorch was left out: its result is 0.01 from the network's."]


def test_windows_cut_for_other_libraries_are_those_of_the_network(speed: Any) -> None:
    libraries = speed("speed_libraries")
    features = libraries.picture_of(16, 24)
    ours, padding = libraries.sparse_conv.with_halo(features, 8)
    theirs, same = libraries.cut(features, 8)
    assert padding == same == 0 and libraries.torch.equal(ours, theirs)
    assert libraries.size_of("sparse-plus", whole=True) == (336, 528)


def test_scoring_again_changes_the_scores_of_those_weights_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rescore = tool("rescore")
    manifest = tmp_path / "weights_manifest.json"
    before = (ROOT / "weights_manifest.json").read_text(encoding="utf-8")
    manifest.write_text(before, encoding="utf-8")
    monkeypatch.setattr(rescore, "MANIFEST", manifest)
    monkeypatch.setattr(rescore, "scored", lambda entry, name, level, data: {"psnr": 1.5, "ssim": 0.5})
    monkeypatch.setattr(sys, "argv", ["rescore.py", "denoise-gray-lite", "upscale-x2-lite"])
    rescore.main()
    after = manifest.read_text(encoding="utf-8")
    changed = {
        old["name"]: (old["scores"].keys(), new["scores"])
        for old, new in zip(json.loads(before)["weights"], json.loads(after)["weights"], strict=True)
        if old != new
    }
    assert set(changed) == {"denoise-gray-lite", "upscale-x2-lite"}
    for sets, made in changed.values():
        assert made.keys() == sets
    assert changed["upscale-x2-lite"][1]["Set5"] == {"psnr": 1.5, "ssim": 0.5}
    assert changed["denoise-gray-lite"][1]["Set12"]["25"] == {"psnr": 1.5, "ssim": 0.5}
    monkeypatch.setattr(rescore, "scored", lambda entry, name, level, data: {"psnr": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        rescore.main()
    assert manifest.read_text(encoding="utf-8") == after
    gray = rescore.case({"task": "denoise", "color": "gray", "scale": None}, "Set12", "25")
    assert (gray.task, gray.sigma, gray.color) == ("denoise", 25.0, "gray")
    twice = rescore.case({"task": "upscale", "color": "rgb", "scale": 2}, "Set5", None)
    assert (twice.task, twice.scale) == ("upscale", 2)
