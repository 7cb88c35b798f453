"""How a picture above the limit is told from the limit."""

import pytest

from nsr_cli.errors import DecodeError
from nsr_cli.imaging.limits import check_size


@pytest.mark.parametrize(
    ("size", "limit", "told"),
    [
        ((20, 10), 100, "20×10 is 200 pixels, above the limit of 100; "),
        ((1000, 400), 399_999, "1000×400 is 400,000 pixels, above the limit of 399,999; "),
        ((3000, 2000), 1_000_000, "3000×2000 is 6 megapixels, above the limit of 1; "),
        ((5000, 4000), 19_999_999, "5000×4000 is 20,000,000 pixels, above the limit of 19,999,999; "),
        ((5000, 4000), 400_000, "5000×4000 is 20,000,000 pixels, above the limit of 400,000; "),
    ],
)
def test_the_size_and_the_limit_are_told_apart(size: tuple[int, int], limit: int, told: str) -> None:
    with pytest.raises(DecodeError) as caught:
        check_size(*size, limit)
    assert told in str(caught.value) and f"--max-pixels {size[0] * size[1]} " in str(caught.value)


def test_a_picture_at_the_limit_is_read_and_an_empty_or_endless_one_is_not() -> None:
    check_size(20, 10, 200)
    for size in ((0, 5), (5, -1), (2_000_000, 1)):
        with pytest.raises(DecodeError):
            check_size(*size, 10**9)
