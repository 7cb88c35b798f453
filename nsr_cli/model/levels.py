"""What networks are trained for: how much to enlarge, and degradation levels, told as one number in [0, 1]."""

MAX_SCALE = 16.0  # the largest factor, reached in several steps
MAX_SIGMA = 75.0  # noise levels on the 0…255 scale: 0 to this; a network is told sigma / MAX_SIGMA
QUALITIES = (5, 95)  # JPEG qualities, both included; a network is told quality / 100
