"""How to restore a picture; without torch, so that code that sets options need not load it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """How to restore a picture; the task decides whether a level is needed."""

    sigma: float | None = None
    """Noise level on the 0…255 scale, from black to the white of the picture; `denoise` needs it."""
    quality: float | None = None
    """JPEG quality 1…100; `dejpeg` needs it."""
    strength: float = 1.0
    """1 is the network's result, 0 the plain bicubic resize or the input; values between blend both."""
    tta: bool = False
    """Average the results over the eight flips and turns (self-ensemble); eight times the work."""
    size: tuple[int, int] | None = None
    """Width and height of the result, instead of the restorer's scale; None: the scale decides."""
