"""What the selections of a network say: which group won in each window, and how clear the choice was."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsr_cli.engine.trace import Selection, Trace


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The choices of one layer; `number` counts the layers that choose, from 1.

    Groups of different cardinal groups only share their numbers: group 2 of one is another set of kernels than group 2
    of the next. So choices are compared within one cardinal group.
    """

    number: int
    selection: Selection

    @property
    def gamma(self) -> NDArray[np.float32]:
        """(M, d, k), summing to 1 over the k groups, even if the network's own weights do not."""
        total = self.selection.gamma.sum(axis=2, keepdims=True)
        share: NDArray[np.float32] = self.selection.gamma / np.maximum(total, np.float32(1e-30))
        return share

    @property
    def dominant(self) -> NDArray[np.intp]:
        """(M, d): the group with the largest gamma, counted from 0."""
        winners: NDArray[np.intp] = self.selection.gamma.argmax(axis=2)
        return winners

    @property
    def bits(self) -> NDArray[np.float64]:
        """(M, d): entropy of gamma in bits, 0 for one group alone, log2 k for all alike."""
        gamma = self.gamma.astype(np.float64)
        bits: NDArray[np.float64] = -(gamma * np.log2(np.maximum(gamma, 1e-30))).sum(axis=2)
        return bits + 0.0  # no minus zero

    @property
    def entropy(self) -> NDArray[np.float64]:
        """(M, d): `bits` over log2 k, in 0...1."""
        groups = self.selection.gamma.shape[2]
        return (self.bits / np.log2(groups)).clip(0, 1) if groups > 1 else np.zeros_like(self.bits)

    def shares(self, cardinal: int) -> NDArray[np.float64]:
        """(k,): the share of windows in which each group is dominant, in one cardinal group (from 0)."""
        groups = self.selection.gamma.shape[2]
        return np.bincount(self.dominant[:, cardinal], minlength=groups) / len(self.dominant)

    @property
    def most_varied(self) -> int:
        """The cardinal group (from 0) whose dominant group differs most between windows.

        That is the one whose shares have the highest entropy; among equal ones, the one whose gamma varies most.
        """
        spread = self.gamma.std(axis=0).mean(axis=1)  # (d,)
        keys = []
        for cardinal in range(self.selection.gamma.shape[1]):
            shares = self.shares(cardinal)
            keys.append(
                (-(shares * np.log2(np.maximum(shares, 1e-30))).sum().round(9), float(spread[cardinal]))
            )
        return max(range(len(keys)), key=keys.__getitem__)

    @property
    def title(self) -> str:
        """`layer 3: block 2, convolution 1`."""
        return f"layer {self.number}: block {self.selection.block}, convolution {self.selection.convolution}"

    def as_json(self) -> dict[str, Any]:
        """The layer with JSON's types only; groups and cardinal groups count from 1."""
        gamma, entropy = self.selection.gamma, self.entropy
        return {
            "layer": self.number,
            "block": self.selection.block,
            "convolution": self.selection.convolution,
            "entropy": _rounded(entropy.mean()),
            "entropy_bits": _rounded(self.bits.mean()),
            "mean_gamma": _rounded(gamma.mean(axis=(0, 1))),
            "most_varied": self.most_varied + 1,
            "cardinal_groups": [
                {
                    "cardinal": j + 1,
                    "entropy": _rounded(entropy[:, j].mean()),
                    "mean_gamma": _rounded(gamma[:, j].mean(axis=0)),
                    "shares": _rounded(self.shares(j)),
                }
                for j in range(gamma.shape[1])
            ],
            "windows": {
                "dominant": (self.dominant + 1).tolist(),
                "mean_gamma": _rounded(gamma.mean(axis=1)),
                "entropy": _rounded(entropy.mean(axis=1)),
            },
        }


def choices(trace: Trace) -> tuple[Choice, ...]:
    """Number the layers of a trace."""
    return tuple(Choice(number, selection) for number, selection in enumerate(trace.selections, 1))


def _rounded(value: Any) -> Any:
    """Python numbers with five decimals, which is about the accuracy of gamma."""
    return np.asarray(value, dtype=np.float64).round(5).tolist()
