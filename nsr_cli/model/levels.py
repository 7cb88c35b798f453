"""How a degradation level is told to a network: one number in [0, 1] for each picture."""

MAX_SIGMA = 75.0  # noise levels that networks are trained for: 0 to this, on the 0…255 scale
QUALITIES = (5, 95)  # JPEG qualities that networks are trained for, both included


def noise_level(sigma: float) -> float:
    """The level of Gaussian noise of standard deviation `sigma` (0…255 scale); above MAX_SIGMA it is held."""
    return min(max(sigma, 0.0), MAX_SIGMA) / MAX_SIGMA


def quality_level(quality: float) -> float:
    """The level of a JPEG quality 1…100; outside QUALITIES it is held at the nearer end."""
    return min(max(quality, QUALITIES[0]), QUALITIES[1]) / 100
