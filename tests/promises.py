"""Promises with numbers: a test names the one it keeps and says how far it really got.

`@pytest.mark.promise("Writing: a run is killed at 50 points", count=50)` stands at a test, or at some of its
parameters. A test that counts calls the fixture `reached` with the number; one that does not counts as 1 when it
passes. Several tests may share a promise: their counts are added. `make stress` runs them all and writes
docs/reliability.md from what happened.
"""

import pytest

MARKER = (
    "promise(text, count=1): a promise to users, `Area: sentence`, and the number that a run of "
    "`make stress` must reach; see docs/reliability.md"
)


class Reached:
    """Notes for one test how many times the promise was put to the test, and what was seen."""

    def __init__(self, node: pytest.Item) -> None:
        self._node = node
        self._count = 0

    def __call__(self, count: int = 1) -> None:
        """Add `count` to what was reached."""
        self._count += count
        kept = [item for item in self._node.user_properties if item[0] != "reached"]
        self._node.user_properties[:] = [*kept, ("reached", self._count)]

    def note(self, text: str) -> None:
        """Say something for the report, such as the slowest of the times."""
        self._node.user_properties.append(("note", text))


@pytest.fixture
def reached(request: pytest.FixtureRequest) -> Reached:
    """Count how often this test's promise was put to the test."""
    return Reached(request.node)
