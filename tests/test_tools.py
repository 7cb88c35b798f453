"""The tools that make the project's figures: their commands exist, and their pages say what was measured."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from nsr_cli.cli import scores
from nsr_cli.evaluate import Row
from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import SparseConvolution
from nsr_cli.training.recipe import make_recipe

ROOT = Path(__file__).resolve().parents[1]


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
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
    app = typer.main.get_command(command.app)
    monkeypatch.setattr(command, "console_of", lambda ctx: None)
    words = arguments[1:] if arguments[0] == "train" else arguments
    app.main(words, standalone_mode=False)
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


def row(**changes: Any) -> Row:
    values: dict[str, Any] = {
        "set": "Set5", "task": "upscale", "scale": 2, "sigma": None, "quality": None, "model": "x2",
        "model_sha256": "ab" * 32, "images": 5, "psnr": 37.5, "ssim": 0.96, "seconds_per_image": 0.25,
        "paper": {"Sparse +": {"psnr": 38.02, "ssim": 0.961}}, "set_images": 5,
    }  # fmt: skip
    return Row(**(values | changes))


def test_the_page_of_results_holds_what_the_commands_printed(tmp_path: Path) -> None:
    page = tool("make_results")
    rows = [row(), row(model="input", model_sha256=None, psnr=float("inf"), paper=None)]
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


def test_the_page_in_the_repository_is_that_of_its_sources() -> None:
    page = tool("make_results")
    assert page.TARGET.read_text(encoding="utf-8") == page.document(page.SOURCES)


def test_a_training_step_is_measured_against_the_same_arithmetic() -> None:
    measure = tool("training_step")
    network = make_recipe("upscale-x2", "tiny", {"window": 8}).network
    plain = measure.plain_of(network)
    assert plain.selection == "none" and plain.macs_per_pixel == network.macs_per_pixel
    import torch

    step = measure.make_step(network, 2, torch.device("cpu"))
    assert set(measure.in_turn({"sparse": step}, 1)) == {"sparse"}
