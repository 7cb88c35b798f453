"""What a run becomes when it is published, and what is refused before anything is written."""

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from nsr_cli.cli import weights
from nsr_cli.errors import DataError, TrainingError, UsageError, WeightsError
from nsr_cli.model.description import trained_for
from nsr_cli.model.network import Network
from nsr_cli.terminal.console import Console
from nsr_cli.training import checkpoint, publish
from nsr_cli.training.best import save_best
from nsr_cli.training.publish import Trained, load_trained
from nsr_cli.training.recipe import Recipe, make_recipe
from nsr_cli.training.storage import Checkpoint
from nsr_cli.weights.manifest import add_entry, load_manifest
from tests.training.helpers import tiny_recipe


def trained(recipe: Recipe, data: str = "pictures") -> Trained:
    torch.manual_seed(0)
    return Trained(recipe, Network(recipe.network), 10, 1.0, [data])


def saved_run(run: Path, recipe: dict[str, Any], **more: Any) -> Path:
    """The folder of a run that was interrupted at step 10."""
    tensors = {"weights": Network(tiny_recipe().network).state_dict()}
    checkpoint.save(run, 10, Checkpoint(tensors, {"recipe": recipe, "seconds": 1.0, **more}))
    return run


def keep_best(run: Path) -> Path:
    """Best weights of step 4 in a run's folder."""
    tensors = {"weights": Network(tiny_recipe().network).state_dict()}
    state = {"step": 4, "seconds": 0.25, "psnr": 30.0}
    save_best(run, Checkpoint(tensors, state))
    return run / "best"


def test_the_best_weights_state_their_own_steps_and_minutes(tmp_path: Path) -> None:
    run = saved_run(tmp_path / "run", tiny_recipe().to_dict())
    keep_best(run)
    best, last = publish.load_trained(run, "best"), publish.load_trained(run, "last")
    assert (best.step, best.seconds) == (4, 0.25) and (last.step, last.seconds) == (10, 1.0)


@pytest.mark.parametrize("file", ["weights.safetensors", "state.json"])
def test_the_last_weights_do_not_replace_damaged_best_ones(file: str, tmp_path: Path) -> None:
    run = saved_run(tmp_path / "run", tiny_recipe().to_dict(), best=30.0)
    path = keep_best(run) / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(TrainingError, match="run: the best weights are damaged; give --which last"):
        load_trained(run)
    assert load_trained(run, "last").step == 10


def test_best_weights_that_a_run_had_and_that_are_gone_are_missed(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="the best weights are missing; give --which last"):
        load_trained(saved_run(tmp_path / "run", tiny_recipe().to_dict(), best=30.0))


@pytest.mark.parametrize("more", [{"best": -math.inf}, {}])
def test_a_run_that_was_never_validated_gives_its_last_weights_and_says_so(
    more: dict[str, Any], tmp_path: Path
) -> None:
    warnings: list[str] = []
    run = saved_run(tmp_path / "run", tiny_recipe().to_dict(), **more)
    assert load_trained(run, "best", warnings.append).step == 10
    assert warnings == [
        f"{run}: never validated, so that it has no best weights; these are the last, of step 10"
    ]


def test_a_damaged_newest_checkpoint_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    warnings: list[str] = []
    run = saved_run(tmp_path / "run", tiny_recipe().to_dict())
    shutil.copytree(run / "checkpoints" / "step-00000010", run / "checkpoints" / "step-00000020")
    (run / "checkpoints" / "step-00000020" / "state.json").write_bytes(b"{}")
    assert load_trained(run, "last", warnings.append).step == 10
    assert warnings == [f"{run}: checkpoint step-00000020 is damaged; the one of step 10 is used"]


@pytest.mark.parametrize(
    "name", ["../My Model", "a/b", "", "con", "x" * 95, "trailing.", "lite", "input", "x.pt"]
)
def test_a_name_that_is_not_possible_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    inner = tmp_path / "pretrained"
    inner.mkdir()
    with pytest.raises(UsageError, match="--name"):
        publish.publish(trained(tiny_recipe()), name, tmp_path / "manifest.json", inner, {})
    assert list(tmp_path.rglob("*")) == [inner]


def test_a_manifest_that_would_be_damaged_is_known_before_anything_is_written(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    with pytest.raises(UsageError, match="takes more than 2000 characters: shorten --from"):
        publish.publish(trained(tiny_recipe(), "x" * 3000), "own", manifest, tmp_path, {})
    assert list(tmp_path.iterdir()) == []
    manifest.write_text("{}")
    with pytest.raises(WeightsError, match="damaged"):
        publish.publish(trained(tiny_recipe()), "own", manifest, tmp_path, {})
    assert list(tmp_path.iterdir()) == [manifest]


def test_only_what_lies_in_the_package_is_bundled_and_under_its_license(tmp_path: Path) -> None:
    """And what its owner has stated in the manifest since stays when the weights are published again."""
    manifest, packed = tmp_path / "manifest.json", tmp_path / "nsr_cli" / "pretrained"
    packed.mkdir(parents=True)
    listed = publish.publish(trained(tiny_recipe()), "packed", manifest, packed, {})
    assert (listed.bundled, listed.license) == (True, "MIT")
    listed = publish.publish(trained(tiny_recipe()), "own", manifest, tmp_path, {})
    assert (listed.bundled, listed.license) == (False, "unstated")
    add_entry(manifest, dataclasses.replace(listed, license="CC-BY-4.0"))
    assert publish.publish(trained(tiny_recipe()), "own", manifest, tmp_path, {}).license == "CC-BY-4.0"


@pytest.mark.parametrize("task", ["denoise-gray", "dejpeg-rgb", "upscale-x3"])
def test_published_weights_say_what_they_were_trained_for(task: str, tmp_path: Path) -> None:
    publish.publish(trained(tiny_recipe(task)), "own", tmp_path / "manifest.json", tmp_path, {})
    assert trained_for((tmp_path / "own.safetensors").read_bytes()) == task


def test_a_history_counts_one_and_several_in_words(tmp_path: Path) -> None:
    recipe = tiny_recipe(batch=1)
    made = dataclasses.replace(trained(recipe), step=1, seconds=60.0)
    said = publish.publish(made, "own", tmp_path / "manifest.json", tmp_path, {}).trained_on
    assert f"; 1 step of 1 patch of {recipe.patch}, " in said and said.endswith(", 1 minute")
    made = dataclasses.replace(made, step=2, seconds=150.0, recipe=tiny_recipe(batch=2, optimizer="muon"))
    said = publish.publish(made, "own", tmp_path / "manifest.json", tmp_path, {}).trained_on
    assert f"; 2 steps by Muon of 2 patches of {recipe.patch}, " in said and said.endswith(", 2 minutes")


def test_a_long_history_names_the_first_pictures(tmp_path: Path) -> None:
    names = [f"4 pictures of {'d' * 240}{number}" for number in range(9)]
    many = dataclasses.replace(trained(tiny_recipe()), data=names)
    entry = publish.publish(many, "own", tmp_path / "manifest.json", tmp_path, {})
    assert entry.trained_on.startswith(", ".join(names[:7]) + " and 2 more; 10 steps of ")
    assert load_manifest(tmp_path / "manifest.json").get("own") == entry


def test_one_minute_is_told_in_the_singular() -> None:
    told = [
        publish.history(dataclasses.replace(trained(tiny_recipe()), seconds=seconds)).rpartition(", ")[2]
        for seconds in (10.0, 55.0, 120.0)
    ]
    assert told == ["0 minutes", "1 minute", "2 minutes"]


def test_the_history_names_the_benchmark_by_which_weights_were_chosen(tmp_path: Path) -> None:
    """To them it is no test any more; the last weights owe nothing to it."""
    run = saved_run(tmp_path / "run", tiny_recipe().to_dict(), conditions={"validate": "Set5"})
    keep_best(run)
    best, last = (publish.history(publish.load_trained(run, which)) for which in ("best", "last"))
    assert best.endswith(" minutes, the best on Set5")
    assert "Set5" not in last


def command(*arguments: str) -> Result:
    return CliRunner().invoke(weights.app, ["publish", *arguments], obj=Console())


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Arguments that publish a run of the working folder there."""
    monkeypatch.chdir(tmp_path)
    saved_run(tmp_path / "run", tiny_recipe().to_dict())
    return ("run", "--name", "own", "--folder", ".", "--manifest", "m.json", "--which", "last")


def test_a_file_that_the_manifest_did_not_write_is_left_alone_unless_asked(
    tmp_path: Path, call: tuple[str, ...]
) -> None:
    file = tmp_path / "own.safetensors"
    file.write_bytes(b"a stranger's")
    refused = command(*call)
    assert isinstance(refused.exception, UsageError) and "--if-exists overwrite" in str(refused.exception)
    skipped = command(*call, "--if-exists", "skip")
    assert skipped.exit_code == 0 and "skipped" in skipped.stderr
    assert file.read_bytes() == b"a stranger's" and not (tmp_path / "m.json").exists()
    assert command(*call, "--if-exists", "overwrite").exit_code == 0
    assert load_manifest(tmp_path / "m.json").get("own").bytes == file.stat().st_size


def test_weights_of_before_are_replaced_only_where_the_manifest_wrote_that_very_file(
    tmp_path: Path, call: tuple[str, ...]
) -> None:
    assert command(*call).exit_code == 0
    again = command(*call)
    assert again.exit_code == 0 and "replaces the weights that m.json listed as own" in again.stderr
    assert isinstance(command(*call, "--if-exists", "error").exception, UsageError)
    (tmp_path / "own.safetensors").write_bytes(b"edited since")
    assert isinstance(command(*call).exception, UsageError)
    assert (tmp_path / "own.safetensors").read_bytes() == b"edited since"


@pytest.mark.parametrize(
    "wrong", [("--set", "Set6"), ("--set", "Set5", "--offline"), ("--device", "cuda:99")]
)
def test_nothing_is_said_to_be_replaced_before_all_is_checked(
    wrong: tuple[str, ...], tmp_path: Path, call: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NSR_DATA", raising=False)
    assert command(*call).exit_code == 0
    refused = command(*call, *wrong)
    assert isinstance(refused.exception, UsageError | DataError)
    assert "replaces" not in refused.stderr


def test_the_file_of_other_weights_is_not_replaced(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    publish.publish(trained(tiny_recipe()), "first", manifest, tmp_path, {})
    before = (tmp_path / "first.safetensors").read_bytes()
    manifest.write_text(manifest.read_text().replace('"name": "first"', '"name": "other"'))
    with pytest.raises(UsageError, match=r"first\.safetensors is the file of other"):
        publish.publish(trained(dataclasses.replace(tiny_recipe(), seed=3)), "first", manifest, tmp_path, {})
    assert (tmp_path / "first.safetensors").read_bytes() == before


def test_weights_of_another_task_are_not_replaced(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    publish.publish(trained(tiny_recipe()), "own", manifest, tmp_path, {})
    before = (manifest.read_bytes(), (tmp_path / "own.safetensors").read_bytes())
    with pytest.raises(UsageError, match=r"upscale x2 \(rgb\), not for denoise-gray; choose another name"):
        publish.publish(trained(tiny_recipe("denoise-gray")), "own", manifest, tmp_path, {})
    assert (manifest.read_bytes(), (tmp_path / "own.safetensors").read_bytes()) == before


def test_a_preset_that_was_changed_is_not_given_as_what_the_network_is(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    publish.publish(trained(make_recipe("upscale-x2", "tiny")), "plain", manifest, tmp_path, {})
    publish.publish(trained(tiny_recipe()), "changed", manifest, tmp_path, {})
    found = load_manifest(manifest)
    assert (found.get("plain").preset, found.get("changed").preset) == ("tiny", "custom")


def test_a_run_of_another_version_is_one_line(tmp_path: Path) -> None:
    assert load_trained(saved_run(tmp_path / "good", tiny_recipe().to_dict())).step == 10
    run = saved_run(tmp_path / "newer", {**tiny_recipe().to_dict(), "invented": 1})
    with pytest.raises(TrainingError, match="use the version of nsr that trained it"):
        load_trained(run)
    run = saved_run(tmp_path / "wider", tiny_recipe(changes={"width": 16}).to_dict())
    with pytest.raises(TrainingError, match="cannot be read"):
        load_trained(run)


def test_a_history_that_is_too_long_is_known_before_the_scoring(
    call: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = trained(tiny_recipe(), "x" * 3000)
    monkeypatch.setattr(publish, "load_trained", lambda *_: long)
    monkeypatch.setattr("nsr_cli.cli.publish._scores", lambda *_: pytest.fail("scored"))
    refused = command(*call)
    assert isinstance(refused.exception, UsageError) and "2000 characters" in str(refused.exception)


def test_messages_about_a_run_of_any_name_are_one_line(tmp_path: Path) -> None:
    newer = saved_run(tmp_path / "a\nb", {**tiny_recipe().to_dict(), "invented": 1})
    for run in (newer, tmp_path / "a\nb" / "absent"):
        with pytest.raises(TrainingError, match=r"a\\nb") as caught:
            load_trained(run)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--name", "../x"), "--name"),
        (
            ("--name", "own", "--folder", "missing"),
            "there is no folder missing; make it first, or give another",
        ),
        (("--name", "own", "--manifest", "missing/m.json"), "--manifest"),
    ],
)
def test_the_command_refuses_before_it_scores(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(publish, "load_trained", lambda *_: trained(tiny_recipe()))
    monkeypatch.setattr("nsr_cli.cli.publish._scores", lambda *_: pytest.fail("scored"))
    places = ("--folder", ".", "--manifest", "m.json")
    done = CliRunner().invoke(weights.app, ["publish", "run", *places, *arguments], obj=Console())
    assert isinstance(done.exception, UsageError) and said in str(done.exception)


def test_scores_on_other_pictures_are_not_listed_as_those_of_a_set(
    tmp_path: Path, call: tuple[str, ...]
) -> None:
    folder = tmp_path / "data" / "Set5"
    folder.mkdir(parents=True)
    for number in range(1, 6):
        Image.new("RGB", (48, 40), (number, 0, 0)).save(folder / f"img_00{number}.png")
    refused = command(*call, "--set", "Set5", "--data", "data")
    assert isinstance(refused.exception, DataError)
    assert str(refused.exception) == (
        "Set5: the files in data/Set5 are not as published (img_001.png is damaged and 4 more): the manifest would "
        "list scores on other pictures; get them again"
    )
    assert not (tmp_path / "m.json").exists() and not (tmp_path / "own.safetensors").exists()


def test_what_a_run_from_scratch_started_from_is_not_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    call = ("--name", "own", "--folder", ".", "--manifest", "m.json", "--which", "last", "--from", "theirs")
    saved_run(tmp_path / "run", tiny_recipe().to_dict())
    refused = command("run", *call)
    assert isinstance(refused.exception, UsageError)
    assert str(refused.exception) == "--from is for runs with --init: run started from scratch"
    saved_run(tmp_path / "next", tiny_recipe(init="first.safetensors").to_dict())
    assert command("next", *call).exit_code == 0
    assert ", from theirs, " in load_manifest(tmp_path / "m.json").get("own").trained_on


def test_the_manifest_is_what_the_command_line_reads(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    entry = publish.publish(trained(tiny_recipe(), "my\nfolder"), "own", manifest, tmp_path, {})
    assert json.loads(manifest.read_text())["weights"][0]["name"] == entry.name == "own"
    assert "my\\nfolder" in entry.trained_on
