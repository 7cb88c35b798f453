"""What a process knows of those it trains with. Real groups of processes are tested in test_loop.py."""

import pytest

from nsr_cli.errors import UsageError
from nsr_cli.training.distributed import Processes


def test_all_processes_have_as_many_patches() -> None:
    """Else the mean of their gradients would not be that of the batch."""
    assert [Processes(rank, 3).share(12) for rank in range(3)] == [4, 4, 4]
    assert Processes().share(7) == 7


@pytest.mark.parametrize("batch", [1, 7])
def test_a_batch_that_cannot_be_shared_evenly_is_refused(batch: int) -> None:
    with pytest.raises(UsageError, match=f"a batch of {batch} cannot be shared evenly by 2 processes"):
        Processes(1, 2).share(batch)
