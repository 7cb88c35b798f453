"""The built wheel, installed into an environment of its own, works from any folder.

Only nsr comes from the wheel; its dependencies are those of the interpreter that runs the tests, so that
nothing is downloaded.
"""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nsr_cli

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of the console script `nsr` in a fresh environment."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=False, symlinks=os.name != "nt")
    paths = {"base": str(home), "platbase": str(home)}
    packages, scripts = (Path(sysconfig.get_path(kind, "venv", paths)) for kind in ("purelib", "scripts"))
    python = scripts / Path(sys.executable).name
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(install, capture_output=True, check=True)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return scripts / "nsr"


def run(program: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONPATH" and not name.startswith("NSR_")
    }
    environment = kept | {"NSR_CACHE": str(folder / "cache"), "NO_COLOR": "1"}
    return subprocess.run(
        [str(program), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_wheel_holds_code_data_and_license_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert archive.read("nsr_cli/weights_manifest.json") == (ROOT / "weights_manifest.json").read_bytes()
    for path in sorted((ROOT / "nsr_cli").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT).as_posix()) in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0] for name in names} == {"nsr_cli", f"nsr_cli-{nsr_cli.__version__}.dist-info"}


def test_the_installed_program_is_the_one_from_the_wheel(program: Path, tmp_path: Path) -> None:
    python = program.parent / Path(sys.executable).name
    code = "import nsr_cli; print(nsr_cli.__file__)"
    done = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert str(program.parents[1]) in done.stdout
    shown = run(program, tmp_path, "--version")
    assert shown.returncode == 0, shown.stderr
    assert nsr_cli.__version__ in shown.stdout


def test_the_installed_program_finds_its_manifest(program: Path, tmp_path: Path) -> None:
    listed = run(program, tmp_path, "weights", "list")
    assert listed.returncode == 0, listed.stderr
    assert "upscale" in listed.stdout


def test_the_installed_program_upscales_offline(program: Path, tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 24 * 20 * 3).reshape(20, 24, 3).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "small.png")
    done = run(program, tmp_path, "upscale", "small.png", "-s", "2", "--offline")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "small_x2.png") as result:
        assert result.size == (48, 40)
        assert abs(float(np.asarray(result).mean()) - float(ramp.mean())) < 3
