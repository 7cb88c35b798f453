"""What a restorer is told besides the picture. Without torch, so that whoever asks need not load the networks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """How a picture is to be restored; whether a level is needed, the task decides."""

    sigma: float | None = None
    """Noise level on the 0…255 scale, from black to the white of the picture; `denoise` needs it."""
    quality: float | None = None
    """JPEG quality 1…100; `dejpeg` needs it."""
    strength: float = 1.0
    """1 the network's result, 0 the plain bicubic resize or the input, in between a blend."""
    tta: bool = False
    """Average the results over the eight flips and turns (self-ensemble); eight times the work."""
    size: tuple[int, int] | None = None
    """Width and height of the result in place of the restorer's scale; None: the scale decides."""
