"""Training patches: decoded pictures in one uint8 buffer, cropped, turned and degraded on the fly.

Every step draws its crops from a generator seeded with (seed, step) alone. So a resumed run sees exactly the crops it
would have seen, batches can be made ahead, and W processes share one batch by taking every W-th patch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsr_cli.errors import TrainingError
from nsr_cli.imaging import degrade
from nsr_cli.imaging.resizing.resize import downscale8
from nsr_cli.model.levels import MAX_SIGMA, QUALITIES
from nsr_cli.training.jpegcoder import JpegCoder
from nsr_cli.training.recipe import Task

Pixels = npt.NDArray[np.uint8]

_CONTRAST = 0.5  # the most contrast that a flattened patch keeps; half of them keep none


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's patches: input (B, C, P, P), target (B, C, sP, sP) in [0, 1], level (B, 1) or None.

    `intact` is (B, 1, 1, 1) bool or None: only the mean colors of such patches enter the loss.
    """

    input: Tensor
    target: Tensor
    level: Tensor | None
    intact: Tensor | None = None


@dataclass(frozen=True, slots=True)
class _PackedPictures:
    """Pictures of any size, one after the other in a flat buffer, channels first."""

    buffer: Tensor  # (total,) uint8
    offsets: Tensor  # (N,) int64, first sample of each picture
    sizes: Tensor  # (N, 2) int64, height and width
    host_sizes: npt.NDArray[np.int64]  # the same on the host, where crops are drawn

    @classmethod
    def pack(cls, pictures: Sequence[Pixels], device: torch.device) -> "_PackedPictures":
        sizes = np.array([p.shape[:2] for p in pictures], dtype=np.int64)
        ends = np.cumsum([p.size for p in pictures], dtype=np.int64)
        buffer = np.empty(ends[-1], dtype=np.uint8)
        for picture, end in zip(pictures, ends, strict=True):  # one by one: a second copy of all may not fit
            channels_first = picture.transpose(2, 0, 1)
            buffer[end - picture.size : end].reshape(channels_first.shape)[:] = channels_first
        offsets = torch.from_numpy(np.concatenate([[0], ends[:-1]])).to(device)
        return cls(torch.from_numpy(buffer).to(device), offsets, torch.from_numpy(sizes).to(device), sizes)

    def cut(
        self, picture: Tensor, top: Tensor, left: Tensor, side: int, turns: Tensor, channels: int
    ) -> Tensor:
        """Crops (B, C, side, side) uint8; `turns` (B, 3) bool flips rows, flips columns, transposes."""
        steps = torch.arange(side, device=self.buffer.device)
        rows = torch.where(turns[:, :1], side - 1 - steps, steps)  # (B, side)
        cols = torch.where(turns[:, 1:2], side - 1 - steps, steps)
        width = self.sizes[picture, 1, None]
        rows, cols = (top[:, None] + rows) * width, left[:, None] + cols
        upright = rows[:, :, None] + cols[:, None, :]  # (B, side, side)
        index = torch.where(turns[:, 2, None, None], upright.transpose(1, 2), upright)
        planes = self.sizes[picture].prod(dim=1)[:, None] * torch.arange(channels, device=index.device)
        start = self.offsets[picture, None] + planes  # (B, C)
        return self.buffer[start[:, :, None, None] + index[:, None]]


class PatchSource:
    """The training set of one task, held in memory on `device`, and the batches cut from it.

    Args:
        task: decides the degradation.
        pictures: (H, W, C) uint8 of the task's channels; none smaller than a patch.
        patch: side of a patch in input pixels.
        seed: seeds crops, turns and degradations, together with the step.
        device: where patches are cut and degraded.
        flat: share of patches that become nearly one color, see `_paint`.
        intact: share of patches for dejpeg that are not compressed, see `_spare`.
    """

    def __init__(
        self,
        task: Task,
        pictures: Sequence[Pixels],
        patch: int,
        seed: int,
        device: torch.device,
        flat: float = 0.0,
        intact: float = 0.0,
    ) -> None:
        self.task, self.patch, self.seed, self.device = task, patch, seed, device
        self.flat, self.intact = flat, intact
        pictures = [degrade.crop_to_multiple(p, task.scale) for p in pictures]
        self._high = _PackedPictures.pack(pictures, device)
        self._low = self._high
        if task.kind == "upscale":
            self._low = _PackedPictures.pack([downscale8(p, task.scale) for p in pictures], device)
        # JPEG compression on the host would starve an accelerator; on a CPU libjpeg itself is used.
        self._coder = JpegCoder.on(device) if task.kind == "dejpeg" and device.type != "cpu" else None

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._high.sizes)

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        """Patches rank, rank + world, … of the `size` patches of this step; the same on every call."""
        random = np.random.Generator(np.random.PCG64([self.seed, step]))
        draw = random.random((size, 3))
        turns = random.random((size, 3)) < 0.5
        levels = random.random((size, 1))
        noise_seed = int(random.integers(1 << 62))
        mine = slice(rank, None, world)
        paint = self._paint(random, size, mine)
        picture, top, left = self._place(draw[mine])
        turned = torch.from_numpy(turns[mine]).to(self.device)
        scale, channels = self.task.scale, self.task.channels
        target = self._high.cut(picture, top * scale, left * scale, self.patch * scale, turned, channels)
        mean = target.float().mean(dim=(2, 3), keepdim=True)
        target = paint(target, mean)
        if self.task.kind == "upscale":
            low = paint(self._low.cut(picture, top, left, self.patch, turned, channels), mean)
            return Batch(low.float() / 255, target.float() / 255, None)
        if self.task.kind == "denoise":
            return self._noisy(target, levels, noise_seed, mine)
        return self._spare(random, size, mine, self._compressed(target, levels[mine]))

    def _place(self, draw: npt.NDArray[np.float64]) -> tuple[Tensor, Tensor, Tensor]:
        """Uniform numbers (B, 3) -> picture, top, left of each crop in input pixels.

        Computed on the host: Metal has no 64-bit floats, and with fewer bits the crops would differ.
        """
        picture = (draw[:, 0] * len(self)).astype(np.int64)
        room = self._low.host_sizes[picture] - self.patch + 1
        corner = torch.from_numpy((draw[:, 1:] * room).astype(np.int64)).to(self.device)
        return torch.from_numpy(picture).to(self.device), corner[:, 0], corner[:, 1]

    def _paint(
        self, random: np.random.Generator, size: int, mine: slice
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """A function that flattens some of this step's patches: (patches uint8, their mean colors) -> patches uint8.

        Photographs have few flat areas of strong colors, and a network that never saw any tints them. A chosen patch
        gets a random mean color and keeps between none and `_CONTRAST` of its contrast.
        """
        if not self.flat:
            return lambda patches, _: patches
        chosen, contrast = random.random((size, 1, 1, 1)) < self.flat, random.random((size, 1, 1, 1))
        colors = random.integers(0, 256, (size, self.task.channels, 1, 1))
        flatten, left, color = (
            torch.from_numpy(part[mine]).float().to(self.device)
            for part in (chosen, np.maximum(2 * contrast - 1, 0) * _CONTRAST, colors)
        )

        def paint(patches: Tensor, mean: Tensor) -> Tensor:
            flat = (color + left * (patches.float() - mean)).round().clamp(0, 255).to(torch.uint8)
            return torch.where(flatten > 0, flat, patches)

        return paint

    def _noisy(self, target: Tensor, levels: npt.NDArray[np.float64], seed: int, mine: slice) -> Batch:
        """Patches with Gaussian noise, each of its own level; not clipped, as in the evaluation."""
        generator = torch.Generator(self.device).manual_seed(seed)
        shape = (len(levels), *target.shape[1:])
        noise = torch.randn(shape, generator=generator, device=self.device)[mine]
        level = torch.from_numpy(levels[mine]).float().to(self.device)
        clean = target.float() / 255
        return Batch(clean + noise * (level * (MAX_SIGMA / 255))[:, :, None, None], clean, level)

    def _compressed(self, target: Tensor, levels: npt.NDArray[np.float64]) -> Batch:
        """Patches after JPEG, each at its own quality; color patches at 4:2:0 or 4:4:4 in equal shares."""
        low, high = QUALITIES
        spread = levels[:, 0] * (high - low + 1)
        qualities = low + spread.astype(int)
        halved = (spread % 1.0) < 0.5
        level = torch.from_numpy(qualities / 100).float()[:, None].to(self.device)
        if self._coder is not None:
            chosen, small = (torch.from_numpy(numbers).to(self.device) for numbers in (qualities, halved))
            degraded = self._coder.recompress(target, chosen, small)
        else:
            degraded = self._coded_by_libjpeg(target, qualities, halved)
        return Batch(degraded.float() / 255, target.float() / 255, level)

    def _spare(self, random: np.random.Generator, size: int, mine: slice, batch: Batch) -> Batch:
        """Undo the compression of chosen patches, but keep their stated quality.

        Pictures can be better than their stated quality. A network learns to correct JPEG's damage to saturated colors
        by the stated quality alone, and would tint pictures without that damage. Whole patches in the loss would teach
        it to correct less wherever it is unsure; their mean colors alone do not.
        """
        if not self.intact:
            return batch
        chosen = torch.from_numpy(random.random((size, 1, 1, 1))[mine] < self.intact).to(self.device)
        return Batch(torch.where(chosen, batch.target, batch.input), batch.target, batch.level, chosen)

    def _coded_by_libjpeg(
        self, target: Tensor, qualities: npt.NDArray[np.int64], halved: npt.NDArray[np.bool_]
    ) -> Tensor:
        patches = target.permute(0, 2, 3, 1).cpu().numpy()
        coded = [
            degrade.jpeg(patch, int(quality), "4:2:0" if half else "4:4:4")
            for patch, quality, half in zip(patches, qualities, halved, strict=True)
        ]
        return torch.from_numpy(np.stack(coded)).permute(0, 3, 1, 2).to(self.device)


def require_size(pictures: Sequence[Pixels], side: int) -> list[Pixels]:
    """The pictures with sides of at least half a crop of `side` pixels. Raises `TrainingError` if there are none."""
    kept = [p for p in pictures if 2 * min(p.shape[:2]) >= side]
    if not kept:
        raise TrainingError(
            f"every training picture is smaller than half of a {side}×{side} crop; give larger pictures to --data"
        )
    return kept


def mirrored(picture: Pixels, side: int) -> Pixels:
    """A picture continued by its mirror image to at least `side` rows and columns; it must have half as many."""
    rows, cols = (max(0, side - length) for length in picture.shape[:2])
    return np.pad(picture, ((0, rows), (0, cols), (0, 0)), mode="symmetric") if rows or cols else picture
