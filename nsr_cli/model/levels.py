"""What networks are asked for: how much to enlarge, and a degradation level, one number in [0, 1] a picture."""

MAX_SCALE = 16.0  # the largest factor, reached in several steps
MAX_SIGMA = 75.0  # noise levels that networks are trained for: 0 to this, on the 0…255 scale
QUALITIES = (5, 95)  # JPEG qualities that networks are trained for, both included


def noise_level(sigma: float) -> float:
    """The level of Gaussian noise of standard deviation `sigma` (0…255 scale), clamped to 0…MAX_SIGMA."""
    return min(max(sigma, 0.0), MAX_SIGMA) / MAX_SIGMA


def quality_level(quality: float) -> float:
    """The level of a JPEG quality 1…100, clamped to QUALITIES."""
    return min(max(quality, QUALITIES[0]), QUALITIES[1]) / 100
