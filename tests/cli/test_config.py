"""Settings from files and the environment, and which of them wins."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from nsr_cli.cli import config
from nsr_cli.cli.commands import load
from nsr_cli.cli.table import COMMANDS
from nsr_cli.errors import UsageError

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[config.ConfigFile, ...]]:
    """Write the project's and the user's settings and read them as a command started here would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for setting in config.SETTINGS:
        monkeypatch.delenv(setting.env, raising=False)

    def write(project: str = "", user: str = "") -> tuple[config.ConfigFile, ...]:
        (tmp_path / "nsr.toml").write_text(project)
        own = config.user_file()
        assert own is not None
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(user)
        return config.read_files()

    return write


def restoring_options() -> dict[str, dict[str, Any]]:
    """Environment variable -> parameter, of each command that has settings."""
    found = {}
    for name in config.COMMANDS:
        command = load(name, COMMANDS[name])
        found[name] = {param.envvar: param for param in command.params if param.envvar}
    return found


def test_every_setting_is_an_option_and_the_other_way_round() -> None:
    for name, options in restoring_options().items():
        settings = {s.env: s for s in config.SETTINGS if name in s.commands}
        assert set(settings) == set(options), name
        for variable, setting in settings.items():
            option = options[variable]
            assert option.name == setting.key
            assert f"--{setting.name}" in option.opts
            assert setting.switch == option.is_flag


def test_defaults_that_an_option_tells_are_those_that_are_shown() -> None:
    for name, keys in {
        "upscale": ("scale", "max_memory"),
        "denoise": ("sigma",),
        "dejpeg": ("jpeg_quality",),
    }.items():
        options = {option.name: option for option in restoring_options()[name].values()}
        for key in keys:
            default = next(setting.default for setting in config.SETTINGS if setting.key == key)
            assert f"[default: {default}]" in options[key].help


def test_no_files_are_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config.read_files() == ()


def test_the_project_beats_the_user_and_a_commands_table_beats_the_rest_of_its_file(
    files: Callable[..., tuple[config.ConfigFile, ...]], monkeypatch: pytest.MonkeyPatch
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
    by_name = {setting.name: setting for setting in config.SETTINGS}
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
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(
    text: str, expected: str, files: Callable[..., tuple[config.ConfigFile, ...]]
) -> None:
    with pytest.raises(UsageError) as caught:
        files(text)
    assert str(caught.value).startswith("nsr.toml")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_value_from_a_file_is_used_and_blamed_on_the_file(nsr: Run, tmp_path: Path) -> None:
    (tmp_path / "nsr.toml").write_text("scale = 99")
    said = nsr("upscale", "x.png").stderr.decode()
    assert "--scale (from nsr.toml): '99' is not possible" in said
    assert "(from NSR_SCALE): '98'" in nsr("upscale", "x.png", NSR_SCALE="98").stderr.decode()
    assert "--scale: '97'" in nsr("upscale", "x.png", "-s", "97", NSR_SCALE="98").stderr.decode()
    assert "x.png: no such file" in nsr("upscale", "x.png", "-s", "2", NSR_SCALE="98").stderr.decode()


@pytest.mark.parametrize("command", ["compare", "explain"])
def test_the_commands_that_show_read_the_files_too(
    command: str, inside: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("sigma = 99", f"[{command}]\nsigma = 99"):
        Path("nsr.toml").write_text(text)
        assert inside(command, "x.png") == 2
        assert "--sigma (from nsr.toml): '99' is not possible" in capsys.readouterr().err
    Path("nsr.toml").write_text(f"[{command}]\ntta = true")
    assert inside(command, "x.png") == 2
    assert "no such setting 'tta'" in capsys.readouterr().err


def test_config_show_says_where_each_value_comes_from(nsr: Run, tmp_path: Path) -> None:
    (tmp_path / "nsr.toml").write_text('format = "tiff"\n[dejpeg]\nformat = "webp"\n')
    done = nsr("config", "show", "--json", NSR_DEVICE="cpu")
    rows = {row["setting"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["device"] == {"schema": 1, "setting": "device", "value": "cpu", "source": "NSR_DEVICE"}
    assert (rows["format"]["value"], rows["format"]["source"]) == ("tiff", "nsr.toml")
    assert rows["dejpeg.format"]["value"] == "webp" and "upscale.format" not in rows
    assert rows["strength"]["source"] == "default"
    plain = nsr("config", "show", NSR_DEVICE="cpu").stdout.decode()
    assert any(line.split() == ["device", "cpu", "NSR_DEVICE"] for line in plain.splitlines())


def test_the_defaults_shown_are_the_options_defaults() -> None:
    shown = {setting.key: setting.default for setting in config.SETTINGS}
    for options in restoring_options().values():
        for option in options.values():
            default = shown[option.name]
            if option.is_flag:
                assert default == "no" and option.default is False
            elif option.default is not None:
                assert (
                    default == f"{option.default:g}"
                    if isinstance(option.default, float)
                    else str(option.default)
                )
            assert isinstance(option, typer.core.TyperOption)
