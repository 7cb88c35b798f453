"""Runs the tests that keep promises and writes docs/reliability.md from what happened: `make stress`.

    python tools/write_reliability.py                 all of them
    python tools/write_reliability.py Signals names   those whose promise or test holds one of the words
    python tools/write_reliability.py --only-write    no test: only the page, from the outcomes that are kept

The outcomes are kept in docs/reliability.json, each with its date and commit, so that one promise can be tested
again without the others. A promise that no test of this checkout makes any more is dropped; one that was never
run stands in the table as such.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE, OUTCOMES = ROOT / "docs" / "reliability.md", ROOT / "docs" / "reliability.json"
LIMITS = ROOT / "docs" / "reliability_limits.md"
INTRODUCTION = """\
{kept} of {all} promises were kept when their tests last ran. `make stress` runs them all and writes this page; nothing
here is written by hand but the last section. *Count* is what the tests counted themselves, of what they have to
reach; in parentheses stands what they noticed. Seconds are those of whatever machine it was, busy or not. A `+` behind
a commit: with changes on top of it."""
_LONGEST_SEEN = 160
AREAS = (
    "Weights and data",
    "Reading",
    "Decoding",
    "Writing",
    "Signals",
    "Names",
    "Numbers",
    "Training",
    "Long runs",
)


@dataclass(slots=True)
class Record:
    """A promise: the number to reach, and what the last run of its tests reached."""

    text: str
    wanted: int = 0
    tests: list[str] = field(default_factory=list)
    reached: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Known cases in which it is not kept."""
    seen: list[str] = field(default_factory=list)
    """What failed tests reported."""
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    when: str = ""
    commit: str = ""

    def begin(self, when: str, commit: str) -> None:
        """Forget what the last run reached."""
        self.reached, self.failed, self.seconds = 0, 0, 0.0
        self.skipped, self.broken, self.notes, self.seen = [], [], [], []
        self.when, self.commit = when, commit

    @property
    def area(self) -> str:
        return self.text.partition(":")[0]

    @property
    def result(self) -> str:
        """Its result in words: `kept` only if no test failed or was skipped and the number was reached."""
        if not self.when:
            return "not run"
        if self.failed or self.broken:
            return f"**not kept**: {'; '.join(dict.fromkeys([*self.broken, *self.seen]))}"
        if self.skipped:
            return f"skipped: {'; '.join(dict.fromkeys(self.skipped))}"
        if self.reached < self.wanted:
            return f"**not kept**: the tests reached {self.reached} of {self.wanted}"
        return "kept"


class Watcher:
    """The pytest plugin: finds the promises, skips those not asked for, and records the outcomes."""

    def __init__(self, known: dict[str, Record], words: Iterable[str]) -> None:
        self._known, self._words = known, [word.lower() for word in words]
        self._of: dict[str, Record] = {}
        self.records: dict[str, Record] = {}
        self._begun: set[str] = set()
        self.unread: list[str] = []
        """Files whose tests could not be collected."""
        self._commit, self._now = commit(), datetime.now(UTC).strftime("%Y-%m-%d")

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        wanted: set[str] = set()
        for item in items:
            for mark in item.iter_markers("promise"):
                record = self._of[item.nodeid] = self._record(mark)
                test = item.nodeid.partition("[")[0]
                record.tests += [test] if test not in record.tests else []
                said = f"{record.text} {item.nodeid}".lower()
                wanted |= (
                    {record.text} if not self._words or any(word in said for word in self._words) else set()
                )
        chosen = [item for item in items if item.nodeid in self._of and self._of[item.nodeid].text in wanted]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.unread.append(report.nodeid)

    def _record(self, mark: pytest.Mark) -> Record:
        text, wanted = str(mark.args[0]), int(mark.kwargs.get("count", 1))
        if text.partition(":")[0] not in AREAS:
            raise pytest.UsageError(f"a promise begins with one of {', '.join(AREAS)}: {text!r}")
        if text not in self.records:
            self.records[text] = self._known.get(text, Record(text))
            self.records[text].tests = []
        self.records[text].wanted = wanted
        return self.records[text]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        record = self._of.get(report.nodeid)
        if record is None:
            return
        if record.text not in self._begun:
            self._begun.add(record.text)
            record.begin(self._now, self._commit)
        record.seconds += report.duration
        if report.failed:
            record.failed += 1
            record.seen.append(what_failed(report))
        if report.skipped and hasattr(report, "wasxfail"):
            record.broken.append(str(report.wasxfail).removeprefix("reason: "))
        elif report.passed and hasattr(report, "wasxfail"):
            record.broken.append(f"its tests passed against expectation ({report.wasxfail})")
        elif report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "it is said elsewhere"
            record.skipped.append(str(reason).removeprefix("Skipped: "))
        if report.when == "call":
            said = dict(report.user_properties)
            record.reached += int(str(said.get("reached", int(report.passed))))
            record.notes += [str(value) for name, value in report.user_properties if name == "note"]
            self.keep()

    def keep(self) -> None:
        """Write the outcomes so far, since a run may be stopped."""
        OUTCOMES.write_text(json.dumps([asdict(one) for one in self.records.values()], indent=1) + "\n")


def what_failed(report: pytest.TestReport) -> str:
    """What a failed test reported, in one short line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash is not None else report.longrepr)
    first = text.strip().partition("\n")[0].removeprefix("AssertionError: ")
    return f"{report.nodeid.rpartition('::')[2]}: {first[:_LONGEST_SEEN]}"


def commit() -> str:
    """The commit that is tested, with a `+` if the checkout differs from it."""

    def ask(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607
        return done.stdout.strip()

    changed = [line for line in ask("status", "--porcelain").splitlines() if "docs/reliability" not in line]
    return (ask("rev-parse", "--short", "HEAD") or "unknown") + "+" * bool(changed)


def known() -> dict[str, Record]:
    """The outcomes of earlier runs."""
    try:
        kept: list[dict[str, Any]] = json.loads(OUTCOMES.read_text())
    except (OSError, ValueError):
        return {}
    return {one["text"]: Record(**one) for one in kept}


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def row(record: Record) -> str:
    tests = ", ".join(f"`{test.removeprefix('tests/')}`" for test in record.tests)
    count = f"{record.reached} of {record.wanted}" if record.when else f"0 of {record.wanted}"
    notes = f" ({'; '.join(record.notes)})" if record.notes else ""
    last = [f"{record.seconds:.0f}", record.when, record.commit] if record.when else ["", "", ""]
    promise = record.text.partition(": ")[2]
    return "| " + " | ".join(map(cell, [promise + notes, tests, count, record.result, *last])) + " |"


def page(records: Iterable[Record]) -> str:
    """The page: one table for each area, and what cannot be promised."""
    records = list(records)
    kept = sum(record.result == "kept" for record in records)
    lines = ["# What is promised, and how it is tested", "", INTRODUCTION.format(kept=kept, all=len(records))]
    for area in AREAS:
        mine = [record for record in records if record.area == area]
        if mine:
            lines += ["", f"## {area}", "", "| promise | test | count | result | seconds | date | commit |"]
            lines += ["|---|---|---|---|---|---|---|", *map(row, mine)]
    if LIMITS.exists():
        lines += ["", LIMITS.read_text(encoding="utf-8").strip()]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="parts of promises or names of tests; default: all")
    parser.add_argument("--only-write", action="store_true", help="run no test")
    options = parser.parse_args()
    if options.only_write:
        PAGE.write_text(page(known().values()), encoding="utf-8")
        return 0
    watcher, started = Watcher(known(), options.words), time.monotonic()
    code = int(pytest.main(["tests", "-q", "--durations=0", "--durations-min=30"], plugins=[watcher]))
    if watcher.unread or not watcher.records:
        # The promises of a file that cannot be imported would vanish from the page.
        print(f"nothing is written: {', '.join(watcher.unread) or 'no promise was found'}")
        return code or 1
    watcher.keep()
    PAGE.write_text(page(watcher.records.values()), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} is written, after {time.monotonic() - started:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
