"""How many threads are used: never more than the affinity and the control groups' quotas allow."""

import os
import platform
from collections import Counter
from pathlib import Path

import pytest

from nsr_cli.machine import free_memory, glibc, memory_budget, multiplies_512_bits, usable_threads


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


def memory(folder: Path, limit: str, used: int, cached: int) -> None:
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 7\ninactive_file {cached}\nactive_file 9\n")


def free(groups: Path) -> int:
    (groups.parent / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    8000 kB\n")
    return free_memory(groups.parent / "meminfo", groups, groups.with_name("membership"))


def test_files_that_are_only_cached_do_not_fill_a_control_group(groups: Path) -> None:
    memory(groups, "4000000", 3_900_000, 3_000_000)
    assert free(groups) == 3_100_000


@pytest.mark.parametrize("where", [".", "a.slice", "a.slice/b.scope"])
def test_the_limit_of_any_enclosing_group_counts(groups: Path, where: str) -> None:
    for each in (".", "a.slice", "a.slice/b.scope"):
        memory(groups / each, "max", 10, 5)
    memory(groups / where, "1000000", 300_000, 0)
    assert free(groups) == 700_000


def test_the_memory_limit_of_version_one(groups: Path) -> None:
    groups.with_name("membership").write_text("4:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n")
    folder = groups / "memory" / "docker" / "1"
    folder.mkdir(parents=True)
    for name, text in (
        ("limit_in_bytes", "1000"),
        ("usage_in_bytes", "900"),
        ("stat", "total_inactive_file 50"),
    ):
        (folder / f"memory.{name}").write_text(text)
    assert free(groups) == 150


def test_each_file_of_a_group_is_read_once_for_a_figure(
    groups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(groups, "1000000", 300_000, 0)
    (groups / "cpu.max").write_text("200000 100000")
    opened, system = Counter[str](), os.open

    def counted(path: str | Path, flags: int) -> int:
        opened[Path(path).name] += 1
        return system(path, flags)

    monkeypatch.setattr(os, "open", counted)
    # The group at the top is that of the container, and above the process's own one.
    assert (free(groups), threads(groups)) == (700_000, 2)
    names = ("memory.current", "memory.stat", "meminfo")
    assert {name: opened[name] for name in names} == dict.fromkeys(names, 1), opened
    assert opened["membership"] == 2, "one for each of the two figures"


def test_what_is_free_without_limits(groups: Path) -> None:
    assert free(groups) == 8000 * 1024
    memory(groups, "max", 10, 5)
    assert free(groups) == 8000 * 1024
    memory(groups, "100", 300, 5)
    assert free(groups) == 0
    assert free_memory(groups / "none", groups.parent / "none", groups / "none") == 4 << 30


@pytest.mark.parametrize(
    ("vendor", "family", "flags", "expected"),
    [
        ("AuthenticAMD", "26", "fpu avx2 avx512f avx512_bf16", True),
        ("AuthenticAMD", "25", "fpu avx2 avx512f avx512_bf16", False),  # Zen 4 multiplies the halves in turn
        ("AuthenticAMD", "25", "fpu avx2", False),
        ("GenuineIntel", "6", "fpu avx2 avx512f", True),
        ("GenuineIntel", "6", "fpu avx2 avx512fish", False),
        ("AuthenticAMD", "unknown", "avx512f", False),
    ],
)
def test_who_multiplies_512_bits_at_once(
    vendor: str, family: str, flags: str, expected: bool, tmp_path: Path
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    first = f"processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nflags\t\t: {flags}\n"
    cpuinfo.write_text(f"{first}\nprocessor\t: 1\nvendor_id\t: Other\n")
    assert multiplies_512_bits(cpuinfo) is expected


def test_a_machine_that_tells_nothing_multiplies_no_512_bits(tmp_path: Path) -> None:
    assert not multiplies_512_bits(tmp_path / "none")
    (tmp_path / "arm").write_text("processor\t: 0\nFeatures\t: fp asimd bf16\n")
    assert not multiplies_512_bits(tmp_path / "arm")


def test_a_limit_outweighs_half_of_what_is_free() -> None:
    assert memory_budget(7, lambda: 100) == 7
    assert memory_budget(None, lambda: 101) == 50


@pytest.mark.parametrize(
    ("system", "library", "found"),
    [("Linux", "glibc", True), ("Linux", "musl", False), ("Darwin", "", False), ("Windows", "glibc", False)],
)
def test_only_glibc_is_told_what_its_allocator_is_to_keep(
    system: str, library: str, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "libc_ver", lambda: (library, "2.39"))
    assert (glibc.__wrapped__() is not None) is found
