"""Settings from files and the environment, and which of them wins."""

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from nsr_cli.cli.commands import load
from nsr_cli.cli.table import COMMANDS
from nsr_cli.errors import UsageError
from nsr_cli.options import config
from nsr_cli.options.settings import SETTINGS, Setting
from nsr_cli.weights.manifest import Manifest, load_manifest
from tests.command import Inside, Paint, Run

Files = Callable[..., tuple[config.ConfigFile, ...]]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Write the project's and the user's settings and read them as a command started here would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for setting in SETTINGS:
        monkeypatch.delenv(setting.env, raising=False)

    def write(project: str = "", user: str = "") -> tuple[config.ConfigFile, ...]:
        (tmp_path / "nsr.toml").write_text(project)
        own = config.user_file()
        assert own is not None
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(user)
        return config.read_files()

    return write


# Options that have a setting's name and another meaning: levels to score, patches in a step, names of weights.
# Figures of a benchmark must not change with what somebody has set for pictures: `tta`, and another `precision` than
# fp32, have to be asked for.
NOT_SETTINGS = {
    "auto": {"scale"},
    "eval": {"scale", "sigma", "jpeg-quality", "model", "data", "tta", "precision"},
    "train": {"data", "precision", "batch"},
    "weights publish": {"name", "data"},
    "data list": {"data"},
    "data verify": {"data"},
    "data path": {"data"},
    "compare": {"model"},
}


def every_command() -> dict[str, list[Any]]:
    """What is typed for each command of nsr -> its parameters."""

    def below(name: str, command: Any) -> Iterator[tuple[str, list[Any]]]:
        if not hasattr(command, "commands"):
            yield name, command.params
            return
        for word, one in command.commands.items():
            yield from below(f"{name} {word}", one)

    return {
        path: params for name, entry in COMMANDS.items() for path, params in below(name, load(name, entry))
    }


def options_with_variables() -> dict[str, dict[str, Any]]:
    """Environment variable -> parameter, of each command."""
    return {
        name: {param.envvar: param for param in params if param.envvar}
        for name, params in every_command().items()
    }


def test_every_setting_is_an_option_and_the_other_way_round() -> None:
    for name, options in options_with_variables().items():
        settings = {s.env: s for s in SETTINGS if name in s.commands}
        assert set(settings) == set(options), name
        for variable, setting in settings.items():
            option = options[variable]
            assert option.name == setting.parameter
            assert f"--{setting.option or setting.name}" in option.opts
            assert setting.switch == option.is_flag
    assert {path for setting in SETTINGS for path in setting.commands} <= set(every_command())


def test_an_option_with_the_name_of_a_setting_is_that_setting() -> None:
    names = {f"--{setting.name}": setting.name for setting in SETTINGS}
    found: dict[str, set[str]] = {}
    for name, params in every_command().items():
        for param in params:
            if not param.envvar and set(names) & set(param.opts):
                found.setdefault(name, set()).update(names[text] for text in set(names) & set(param.opts))
    assert found == NOT_SETTINGS


def test_defaults_that_an_option_tells_are_those_that_are_shown() -> None:
    for name, keys in {
        "upscale": ("scale", "max-memory", "quality", "model"),
        "denoise": ("sigma", "model"),
        "dejpeg": ("jpeg-quality",),
    }.items():
        options = options_with_variables()[name]
        for setting in SETTINGS:
            if setting.name in keys:
                assert f"[default: {setting.default}]" in options[setting.env].help


def test_no_files_are_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config.read_files() == ()


def test_the_project_beats_the_user_and_a_commands_table_beats_the_rest_of_its_file(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = files(
        'device = "cpu"\nscale = 2\n[upscale]\nif-exists = "error"\n',
        'device = "mps"\nstrip = true\nif_exists = "skip"\n[upscale]\nscale = 3\n',
    )
    assert config.default_map(found, "upscale") == {
        "upscale": {"device": "cpu", "scale": "2", "if_exists": "error", "strip": True}
    }
    assert config.default_map(found, "denoise") == {
        "denoise": {"device": "cpu", "if_exists": "skip", "strip": True}
    }
    by_name = {setting.name: setting for setting in SETTINGS}
    assert config.resolve(by_name["scale"], found, "upscale") == ("2", "nsr.toml")
    assert config.resolve(by_name["strip"], found, "upscale") == ("yes", str(config.user_file()))
    monkeypatch.setenv("NSR_SCALE", "8")
    assert config.resolve(by_name["scale"], found, "upscale") == ("8", "NSR_SCALE")
    assert config.resolve(by_name["tta"], found, "upscale") == ("no", "default")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scael = 2", "no such setting 'scael'; did you mean scale?"),
        ("[upscal]\nscale = 2", "no such table [upscal]; did you mean upscale?"),
        ("[denoise]\nscale = 2", "no such setting 'scale'"),
        ("tta = 1", "tta must be true or false, not 1"),
        ("device = true", "device must be a number or text, not True"),
        ("device = ['cpu']", "device must be a number or text"),
        ("device =", "nsr.toml cannot be read"),
        ("cache = 'x'", "no such setting 'cache'"),
        (
            "max-memory = '1G'\nmax_memory = '2G'",
            "max-memory and max_memory are the same setting; remove one",
        ),
        ("[auto]\nall_frames = true\nall-frames = true", "all-frames and all_frames are the same setting"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(text: str, expected: str, files: Files) -> None:
    with pytest.raises(UsageError) as caught:
        files(text)
    assert str(caught.value).startswith("nsr.toml")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_misspelled_variable_is_reported_and_nothing_else_changes(nsr: Run) -> None:
    done = nsr(
        "config", "show", "--json", "--quiet", NSR_SCLAE="2", NSR_MIRROR="x", NSR_TEST_DATA="/", NSR_SCALE="3"
    )
    assert done.returncode == 0
    assert done.stderr.decode().splitlines() == [
        "NSR_MIRROR in the environment is no setting; did you mean NSR_WEIGHTS_MIRROR?",
        "NSR_SCLAE in the environment is no setting; did you mean NSR_SCALE?",
    ]
    assert json.loads(done.stdout.splitlines()[0])["value"] == "3"


def test_a_value_from_a_file_is_used_and_blamed_on_the_file(nsr: Run, tmp_path: Path) -> None:
    (tmp_path / "nsr.toml").write_text("scale = 99")
    said = nsr("upscale", "x.png").stderr.decode()
    assert "--scale (from nsr.toml): '99' is not possible" in said
    assert "(from NSR_SCALE): '98'" in nsr("upscale", "x.png", NSR_SCALE="98").stderr.decode()
    assert "--scale: '97'" in nsr("upscale", "x.png", "-s", "97", NSR_SCALE="98").stderr.decode()
    assert "x.png: no such file" in nsr("upscale", "x.png", "-s", "2", NSR_SCALE="98").stderr.decode()


@pytest.mark.parametrize(
    "args",
    [
        ["weights", "import", "a.pth", "-o", "there.safetensors"],
        ["bench", "--plot", "there.png"],
    ],
)
def test_a_file_that_is_only_written_need_not_be_readable(
    args: list[str],
    inside: Inside,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Root may read everything, so this takes the place of a file's rights.
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK or str(path) != args[-1])
    for name in ("a.pth", args[-1]):
        Path(name).touch()
    assert inside(*args) == 2
    assert capsys.readouterr().err.startswith(f"nsr: {args[-1]} already exists: --if-exists overwrite")


@pytest.mark.parametrize("name", ["strip", "tta", "recursive", "offline"])
def test_the_error_for_an_invalid_switch_names_the_valid_values(
    name: str, inside: Inside, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variable = f"NSR_{name.upper()}"
    monkeypatch.setenv(variable, "maybe")
    assert inside("upscale", "x.png") == 2
    said = capsys.readouterr().err
    assert said.startswith(f"nsr: --{name} (from {variable}): 'maybe' is not possible; give yes or no")
    for value in ("yes", "No", "true", "OFF", "1", "0"):
        monkeypatch.setenv(variable, value)
        assert inside("upscale", "x.png") in (1, 4) and "x.png" in capsys.readouterr().err
    Path("nsr.toml").write_text(f"{name} = 'maybe'")
    assert inside("upscale", "x.png") == 2
    assert capsys.readouterr().err == f"nsr: nsr.toml: {name} must be true or false, not 'maybe'\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("few", "'few' is not possible; give a whole number"),
        ("2.5", "'2.5' is not possible; give a whole number"),
        ("0", "'0' is not possible; it should be greater than or equal to 1"),
    ],
)
def test_the_error_for_an_invalid_number_says_what_is_valid(
    value: str, expected: str, inside: Inside, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("nsr.toml").write_text(f"batch = '{value}'")
    assert inside("upscale", "x.png") == 2
    assert capsys.readouterr().err.startswith(f"nsr: --batch (from nsr.toml): {expected} (")
    assert inside("upscale", "x.png", "--batch", value) == 2
    assert capsys.readouterr().err.startswith(f"nsr: --batch: {expected} (")


@pytest.mark.parametrize("command", ["upscale", "auto", "explain"])
def test_an_unknown_model_is_blamed_on_where_it_was_set(
    command: str,
    inside: Inside,
    paint: Paint,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def blamed(model: str, *args: str) -> str:
        assert inside(command, "x.png", *args) == 2
        said = capsys.readouterr().err
        assert model in said and said.count("\n") == 1
        return said

    paint(tmp_path / "x.png")
    Path("nsr.toml").write_text("model = 'nowhere/a.safetensors'")
    assert blamed("nowhere/a.safetensors").startswith("nsr: --model (from nsr.toml): ")
    monkeypatch.setenv("NSR_MODEL", "nonsense")
    assert blamed("nonsense").startswith("nsr: --model (from NSR_MODEL): ")
    assert "(from" not in blamed("typed", "--model", "typed")


@pytest.mark.parametrize("command", ["compare", "explain"])
def test_the_commands_that_show_read_the_files_too(
    command: str, inside: Inside, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("sigma = 99", f"[{command}]\nsigma = 99"):
        Path("nsr.toml").write_text(text)
        assert inside(command, "x.png") == 2
        assert "--sigma (from nsr.toml): '99' is not possible" in capsys.readouterr().err
    Path("nsr.toml").write_text(f"[{command}]\ntta = true")
    assert inside(command, "x.png") == 2
    assert "no such setting 'tta'" in capsys.readouterr().err


def test_a_command_of_a_command_has_the_table_of_the_first(files: Files) -> None:
    found = files('offline = true\nmirror = "https://a"\ndevice = "cpu"\n[weights]\nmirror = "https://b"\n')
    assert config.default_map(found, "weights") == {
        "weights": {
            "pull": {"offline": True, "mirror": "https://b"},
            "publish": {"offline": True, "device": "cpu"},
        }
    }
    assert config.default_map(found, "data") == {"data": {"pull": {"offline": True}}}
    assert config.default_map(found, "info") == {"info": {}}


TRAIN = ["train", "upscale-x2", "--data", "d", "--out", "o"]


@pytest.mark.parametrize(
    ("args", "expected", "code"),
    [
        (["data", "pull", "Set5"], "the network is disabled", 4),
        (["eval", "--set", "Set5", "-s", "2", "--model", "bicubic"], "the network is disabled", 4),
        (["weights", "pull", "far"], "the network is disabled", 4),
        ([*TRAIN, "--init", "far"], "the network is disabled", 4),
        ([*TRAIN, "--validate", "Set5"], "the network is disabled", 4),
        (["bench", "--quick"], "--device (from nsr.toml): 'gpu' is not a device", 2),
        (["demo"], "--device (from nsr.toml): 'gpu' is not a device", 2),
        (["weights", "publish", "r", "--name", "n"], "--device (from nsr.toml): 'gpu' is not a device", 2),
        (["inspect", "x.png"], "--max-pixels (from nsr.toml): 'few' is not an amount", 2),
    ],
)
def test_settings_of_the_machine_reach_every_command_that_has_the_option(
    args: list[str],
    expected: str,
    code: int,
    inside: Inside,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if code == 4:
        Path("nsr.toml").write_text("offline = true\n")
    else:
        Path("nsr.toml").write_text("device = 'gpu'\nmax-pixels = 'few'\n")
    manifest = load_manifest()
    far = dataclasses.replace(
        manifest.entries[0], name="far", file="far.safetensors", urls=("http://127.0.0.1:9/",)
    )
    monkeypatch.setattr("nsr_cli.weights.store.load_manifest", lambda: Manifest((far,), manifest.place))
    assert inside(*args) == code
    assert expected in capsys.readouterr().err


def test_the_environment_beats_the_files_for_every_command(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("nsr.toml").write_text("max-pixels = 'few'\n")
    monkeypatch.setenv("NSR_MAX_PIXELS", "none")
    assert inside("inspect", "x.png") == 2
    assert "--max-pixels (from NSR_MAX_PIXELS): 'none'" in capsys.readouterr().err
    assert inside("inspect", "x.png", "--max-pixels", "9") == 1
    assert "x.png: no such file" in capsys.readouterr().err


def test_config_show_says_where_each_value_comes_from(nsr: Run, tmp_path: Path) -> None:
    (tmp_path / "nsr.toml").write_text('format = "tiff"\n[dejpeg]\nformat = "webp"\n')
    done = nsr("config", "show", "--json", NSR_DEVICE="cpu")
    rows = {row["setting"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["device"] == {"schema": 1, "setting": "device", "value": "cpu", "source": "NSR_DEVICE"}
    assert (rows["format"]["value"], rows["format"]["source"]) == ("tiff", "nsr.toml")
    assert rows["dejpeg.format"]["value"] == "webp" and "upscale.format" not in rows
    assert rows["strength"]["source"] == "default"
    (tmp_path / "nsr.toml").write_text('[weights]\nmirror = "https://a"\n')
    done = nsr("config", "show", "--json", NSR_DATA_MIRROR="https://b")
    mirrors = [row for row in map(json.loads, done.stdout.splitlines()) if "mirror" in row["setting"]]
    assert [(row["setting"], row["value"], row["source"]) for row in mirrors] == [
        ("mirror", "none", "default"),
        ("weights.mirror", "https://a", "nsr.toml"),
        ("data-mirror", "https://b", "NSR_DATA_MIRROR"),
    ]
    plain = nsr("config", "show", NSR_DEVICE="cpu").stdout.decode()
    assert any(line.split() == ["device", "cpu", "NSR_DEVICE"] for line in plain.splitlines())
    assert all(len(line) < 80 for line in plain.splitlines() if line.endswith("default"))
    assert len({line.rindex("default") for line in plain.splitlines() if line.endswith("default")}) == 1


def test_the_defaults_shown_are_the_options_defaults() -> None:
    shown = {setting.env: setting.default for setting in SETTINGS}
    for name, options in options_with_variables().items():
        for variable, option in options.items():
            default, _, other = shown[variable].partition("; ")
            if other.endswith(f" for {name}"):
                default = other.removesuffix(f" for {name}")
            if option.is_flag:
                assert default == "no" and option.default is False
            elif option.default is not None:
                own = f"{option.default:g}" if isinstance(option.default, float) else str(option.default)
                assert default == own, (name, variable)
            assert isinstance(option, typer.core.TyperOption)


def test_a_file_may_begin_with_a_byte_order_mark(files: Files) -> None:
    files()
    Path("nsr.toml").write_bytes(b"\xef\xbb\xbfscale = 2\n")
    assert config.read_files()[0].shared == {"scale": 2}


NEEDED = {
    "train": ["upscale-x2", "--data", ".", "--out", "run"],
    "compare": ["a.png"],
    "explain": ["a.png"],
    "eval": ["--set", "Set5"],
    "weights pull": ["lite"],
    "data pull": ["Set5"],
    "weights publish": ["run", "--name", "x"],
}
SWITCHES = [setting for setting in SETTINGS if setting.switch]


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda one: one.name)
def test_a_flag_turns_off_what_settings_have_turned_on(
    switch: Setting, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(switch.env, "1")
    found = files(f"{switch.name} = true\n")
    for path in switch.commands:
        name = path.split()[0]
        command = load(name, COMMANDS[name])
        context = typer.Context(command, info_name=name, default_map=config.default_map(found, name)[name])
        for part in path.split()[1:]:
            command = command.commands[part]
            context = typer.Context(command, parent=context, info_name=part)
        for words, expected in (([], True), ([f"--no-{switch.name}"], False), ([f"--{switch.name}"], True)):
            needed = NEEDED.get(path, [])
            given = command.make_context(path, [*words, *needed], parent=context)
            assert given.params[switch.parameter] is expected
        assert f"--no-{switch.name}" not in command.get_help(context)
