"""How many threads are used: never more than the affinity and the control groups' quotas allow."""

import os
from pathlib import Path

import pytest

from nsr_cli.machine import usable_threads


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of eight CPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)


@pytest.fixture
def groups(tmp_path: Path, eight: None) -> Path:
    (tmp_path / "membership").write_text("0::/a.slice/b.scope\n")
    (tmp_path / "groups" / "a.slice" / "b.scope").mkdir(parents=True)
    return tmp_path / "groups"


def threads(groups: Path) -> int:
    return usable_threads(groups, groups.with_name("membership"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50000 100000", 1),
        ("100000 100000", 1),
        ("399999 100000", 3),
        ("1600000 100000", 8),
        ("max 100000", 8),
        ("nonsense", 8),
        ("1 0", 8),
        ("", 8),
    ],
)
@pytest.mark.parametrize("where", [".", "a.slice", "a.slice/b.scope"])
def test_a_quota_of_any_enclosing_group_counts(groups: Path, where: str, text: str, expected: int) -> None:
    (groups / where / "cpu.max").write_text(text)
    assert threads(groups) == expected


def test_the_smallest_quota_wins(groups: Path) -> None:
    (groups / "cpu.max").write_text("500000 100000")
    (groups / "a.slice" / "cpu.max").write_text("200000 100000")
    assert threads(groups) == 2


@pytest.mark.parametrize(("quota", "expected"), [("300000", 3), ("-1", 8), ("0x", 8)])
def test_version_one_of_control_groups(groups: Path, quota: str, expected: int) -> None:
    groups.with_name("membership").write_text("8:pids:/\n3:cpu,cpuacct:/docker/1\n1:name=systemd:/x\n")
    folder = groups / "cpu,cpuacct" / "docker" / "1"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert threads(groups) == expected


def test_without_control_groups_the_affinity_decides(tmp_path: Path, eight: None) -> None:
    assert usable_threads(tmp_path / "absent", tmp_path / "none") == 8
    (tmp_path / "none").write_text("0::/../../outside\ngarbage\n\n:::\n")
    assert usable_threads(tmp_path / "absent", tmp_path / "none") == 8
