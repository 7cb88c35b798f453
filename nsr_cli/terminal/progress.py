"""The progress of a run: this class shows nothing, and that of `bar` draws it on a terminal."""


class Progress:
    """Counts finished pictures and the parts of the current one; this class shows nothing."""

    def picture(self, name: str) -> None:
        """The picture `name` goes to the network now."""

    def parts(self, done: int, total: int) -> None:
        """`done` of `total` parts of the current picture are through the network."""

    def finished(self) -> None:
        """One more picture is done or has failed."""

    def loaded(self, name: str, done: int, total: int) -> bool:  # noqa: ARG002 (for a bar that draws)
        """`done` of `total` bytes of the download `name` are here; False if nothing shows that."""
        return False

    def line(self, text: str) -> bool:  # noqa: ARG002 (for a bar that draws)
        """Print a line above the bar; False if there is no bar and the caller should print it."""
        return False
