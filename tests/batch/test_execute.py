"""What is settled before the pictures of a run are restored."""

from pathlib import Path

from nsr_cli.batch.execute import _any_large
from nsr_cli.planning.job import Job


def test_runs_over_small_pictures_keep_their_heaps(tmp_path: Path) -> None:
    """Their threads would wait for each other."""
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    small.write_bytes(bytes(1 << 19))
    large.write_bytes(bytes(1 << 20))
    jobs = [Job(source, None, None) for source in (small, tmp_path / "absent.png")]
    assert not _any_large(jobs)
    assert _any_large([*jobs, Job(large, None, None)]) and _any_large([*jobs, Job(None, None, None)])
