"""What a network is made of: its configuration and the named presets."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Selection = Literal["none", "softmax", "sigmoid", "gumbel"]

MAX_WINDOW = 4096
"""Input pixels along the side of a selection window."""

# The same for all other fields, to keep arithmetic with them short; a file's length sets the real limit.
_MAX_SIZE = 1 << 31
_SIZES = ("blocks", "width", "expansion", "groups", "scale", "channels", "window", "unshuffle")
_TEMPERATURES = (1e-6, 1e6)  # the paper's are from 0.1 to 10; beyond these, logits leave float32


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Shape of one restoration network (paper Sec. 3; symbols of the paper in brackets).

    Raises `ValueError` from the constructor when the fields contradict each other.
    """

    blocks: int  # residual blocks [N]
    width: int  # channels between blocks [n]
    expansion: int = 1  # channels inside a block are expansion · width [w]
    groups: int = 1  # sparsity groups of kernels [k]
    cardinality: int = 1  # cardinal groups of output channels that choose on their own [d]; 0: each channel
    selection: Selection = "none"  # how the groups are weighted (Table 1); "none" is a plain convolution
    temperature: float = 1.0  # softmax temperature [tau]
    shared: bool = False  # one selection serves both convolutions of a block
    scale: int = 1  # upscaling factor; 1 for denoising and JPEG artifacts
    channels: int = 3  # channels of the picture: 3 RGB, 1 gray
    levels: int = 0  # extra input maps that hold a degradation level (noise or JPEG quality)
    window: int = 48  # side of a selection window in input pixels [P]
    unshuffle: int = 1  # pixels a side that become channels before the head (invertible downsampling)

    def __post_init__(self) -> None:
        self._check_sizes()
        self._check_selection()

    def _check_sizes(self) -> None:
        for name in (*_SIZES, "cardinality", "levels"):
            most = MAX_WINDOW if name == "window" else _MAX_SIZE
            if getattr(self, name) > most:
                raise ValueError(f"{name} must be at most {most}")
        for name in _SIZES:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.levels < 0:
            raise ValueError(f"levels must not be negative, not {self.levels}")
        if self.unshuffle > 1 and (self.scale > 1 or self.window % self.unshuffle):
            raise ValueError(f"unshuffle {self.unshuffle} needs scale 1 and a window that it divides")

    def _check_selection(self) -> None:
        if self.selection not in get_args(Selection):
            raise ValueError(
                f"selection must be one of {', '.join(get_args(Selection))}, not {self.selection!r}"
            )
        if self.cardinality < 0:
            raise ValueError(f"cardinality must not be negative, not {self.cardinality}")
        if self.shared and self.cardinality == 0 and self.expansion > 1:
            raise ValueError("convolutions of different widths cannot share a selection of each channel")
        if self.cardinality and self.width % self.cardinality:
            raise ValueError(f"cardinality {self.cardinality} does not divide width {self.width}")
        if self.selection == "none" and (self.groups, self.cardinality) != (1, 1):
            raise ValueError('selection "none" has one group and one cardinal group')
        low, high = _TEMPERATURES
        if not low <= self.temperature <= high:  # false for NaN, too
            raise ValueError(f"temperature must be from {low:g} to {high:g}")

    @property
    def inner(self) -> "NetworkConfig":
        """The configuration behind the unshuffling: smaller pictures with more channels, smaller windows."""
        return dataclasses.replace(
            self,
            channels=self.channels * self.unshuffle**2,
            window=self.window // self.unshuffle,
            unshuffle=1,
        )

    @property
    def macs_per_pixel(self) -> int:
        """Multiplications per input pixel of the convolutions.

        Choosing kernels is not counted. For each window and block it takes k·d·n·(1 + w) for the two selections (k·d·n
        for a shared one) and 2·9·k·w·n² for mixing the kernels (Eq. 10), which is k/P² of the block's convolutions.
        """
        if self.unshuffle > 1:
            return round(self.inner.macs_per_pixel / self.unshuffle**2)
        body = self.blocks * 2 * 9 * self.width * self.expansion * self.width
        head = 9 * (self.channels + self.levels) * self.width
        out = self.scale**2 * self.channels
        skip = 25 * self.channels * out if self.scale > 1 else 0
        return head + body + 9 * self.width * out + skip

    @property
    def kernel_weights(self) -> int:
        """The number of weights in all kernels, without selectors and biases."""
        inner = self.inner
        body = inner.blocks * 2 * 9 * inner.width * inner.expansion * inner.width
        return inner.macs_per_pixel + (inner.groups - 1) * body

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as stored in a weights file."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "NetworkConfig":
        """Inverse of `to_dict`. Raises `ValueError` on unknown, missing or mistyped fields."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - set(fields))
        if unknown:
            raise ValueError(f"unknown network fields: {', '.join(unknown)}")
        for name, value in values.items():
            kind = {"selection": str, "temperature": (int, float), "shared": bool}.get(name, int)
            if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):  # type: ignore[arg-type]
                raise ValueError(f"network field {name} has an unusable value: {value!r}")
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"incomplete network description: {error}") from None


def _sparse(blocks: int, width: int, expansion: int, groups: int, cardinality: int = 16) -> NetworkConfig:
    return NetworkConfig(blocks, width, expansion, groups, cardinality, "softmax")


# The lite tier of denoising and JPEG: at a quarter of the pixels, wide layers are cheap and see far.
_RESTORE_LITE = dataclasses.replace(
    _sparse(blocks=8, width=64, expansion=1, groups=2), window=64, unshuffle=2
)
PRESETS: Mapping[str, NetworkConfig] = {
    "wdsr": NetworkConfig(blocks=16, width=32, expansion=4),
    "edsr-s": NetworkConfig(blocks=16, width=64),
    "sparse-plus": _sparse(blocks=16, width=64, expansion=1, groups=4),
    "sparse-minus-l": _sparse(blocks=32, width=128, expansion=1, groups=4),
    "restore-base": NetworkConfig(blocks=16, width=32, expansion=2),
    "restore-minus": _sparse(blocks=16, width=32, expansion=1, groups=2),
    "restore-plus": _sparse(blocks=16, width=32, expansion=2, groups=2),
    # Ours: the lite tier. Same layers at most 0.3 M multiplications a pixel, more groups (Table 3).
    "lite": _sparse(blocks=4, width=32, expansion=4, groups=4),
    # Ours: the base tier, lite twice as deep, so that it can start from lite's weights.
    "base": _sparse(blocks=8, width=32, expansion=4, groups=4),
    "restore-lite": _RESTORE_LITE,
    "restore-deep": dataclasses.replace(_RESTORE_LITE, blocks=16),  # ours too: as `base` is to `lite`
    "restore-deeper": dataclasses.replace(_RESTORE_LITE, blocks=32),  # what restore-plus costs
    "tiny": _sparse(blocks=2, width=16, expansion=2, groups=2, cardinality=4),
}
