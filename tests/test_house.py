"""What holds for the project as a whole: packaging facts, versions, layers, size of modules, light start."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import nsr_cli

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", command, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "path", sorted((ROOT / "nsr_cli").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT))
)
def test_a_module_has_one_subject(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_imports_run_one_way_and_the_check_notices_one_that_does_not(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "nsr_cli", tmp_path / "nsr_cli", ignore=shutil.ignore_patterns("*.safetensors", "__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    clean = lint_imports(tmp_path)
    assert clean.returncode == 0, clean.stdout
    with (tmp_path / "nsr_cli" / "errors.py").open("a", encoding="utf-8") as errors:
        errors.write("\n\nfrom nsr_cli import metrics\n")
    broken = lint_imports(tmp_path)
    assert broken.returncode == 1, broken.stdout
    assert "nsr_cli.errors is not allowed to import nsr_cli.metrics" in broken.stdout


def test_rooms_without_torch_really_load_without_it() -> None:
    rooms = (
        "cli.app, cli.weights, cli.data, cli.evaluate, cli.demo, batch.dryrun, batch.run, batch.tiffsource, "
        "scoreboard.scoring, weights, datasets, imaging.codec, metrics"
    )
    code = f"""
import importlib, sys
for room in {rooms!r}.split(", "):
    importlib.import_module("nsr_cli." + room)
print([name for name in ("torch", "rich.table") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_offers_its_restorer_but_loads_it_late() -> None:
    code = "import sys, nsr_cli; late = 'torch' not in sys.modules; print(late, nsr_cli.Restorer.__module__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "nsr_cli.restore"]
    assert all(hasattr(nsr_cli, name) for name in nsr_cli.__all__)
    assert not hasattr(nsr_cli, "restorer")


def test_every_direct_dependency_is_pinned_within_its_bounds() -> None:
    wanted = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["dev"]
    for requirement in map(Requirement, wanted):
        assert requirement.name in pins(), f"{requirement.name} is not in constraints.txt"
        assert pins()[requirement.name] in requirement.specifier, requirement


def test_the_security_page_explains_the_bounds_that_are_declared() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    bounds = dict(re.findall(r"^\| ([a-z]+) \| ([0-9.]+) \|", text, re.MULTILINE))
    declared = {one.name: str(one.specifier) for one in map(Requirement, PROJECT["project"]["dependencies"])}
    assert bounds and {name: f">={bound}" for name, bound in bounds.items()}.items() <= declared.items()
    assert all(name in text for name in declared)


def test_the_version_is_a_version_and_the_changelog_knows_it() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", nsr_cli.__version__)
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    released = headings[1:]
    assert not released or released[0] == nsr_cli.__version__


def test_the_manifest_describes_the_bundled_files_exactly() -> None:
    entries = json.loads((ROOT / "weights_manifest.json").read_text(encoding="utf-8"))["weights"]
    bundled = {entry["file"]: entry for entry in entries if entry["bundled"]}
    folder = ROOT / "nsr_cli" / "pretrained"
    assert {path.name for path in folder.glob("*.safetensors")} == set(bundled)
    for name, entry in bundled.items():
        content = (folder / name).read_bytes()
        assert len(content) == entry["bytes"], name
        assert hashlib.sha256(content).hexdigest() == entry["sha256"], name


def test_the_readme_names_only_make_targets_and_commands_that_exist() -> None:
    from nsr_cli.cli.table import COMMANDS

    text = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))
    targets = set(
        re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)) <= targets
    assert set(re.findall(r"(?:^|[`|] ?)nsr ([a-z]+)", text, re.MULTILINE)) <= set(COMMANDS)
