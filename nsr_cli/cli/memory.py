"""How much memory one picture takes on its way through a run, and how much it may."""

from dataclasses import dataclass

from nsr_cli.cli.settings import Settings
from nsr_cli.errors import MemoryExhausted
from nsr_cli.machine import free_memory

_SHARE, _UTMOST = 0.5, 0.9  # of the free memory is used without asking, and at the most
_FLOAT = 4
# Bytes of a finished file, and of what it is made of, for each byte of samples: stored once while it grows, once
# when it is done. Photographs that are packed without loss come to about six tenths.
_FILE = {"JPEG": 0.5, "PPM": 2.0, "BMP": 2.0}
_PACKED_FILE = 1.3


@dataclass(frozen=True, slots=True)
class Sizes:
    """What decides how much memory a picture takes."""

    size: tuple[int, int]
    out_size: tuple[int, int]
    samples: int
    """Of a pixel, alpha included."""
    depth: int
    """Bytes of a sample."""

    @property
    def stored(self) -> int:
        """Bytes of the picture as it is decoded."""
        return self._count(self.size) * self.depth

    @property
    def result(self) -> int:
        """Bytes of the finished samples."""
        return self._count(self.out_size) * self.depth

    @property
    def floats(self) -> int:
        """Bytes of the picture and its result in float, when they are computed in one piece."""
        return 2 * _FLOAT * (self._count(self.size) + self._count(self.out_size))

    def _count(self, size: tuple[int, int]) -> int:
        return size[0] * size[1] * self.samples


def allowed(settings: Settings) -> int:
    """Bytes that a picture may take: what was asked for, or half of what is free."""
    return settings.max_memory or int(_SHARE * free_memory())


def in_one_piece(sizes: Sizes) -> int:
    """Bytes that a picture takes if nothing of its way is done in bands, the network's features left out."""
    return sizes.stored + sizes.result + sizes.floats


def least(sizes: Sizes, form: str) -> int:
    """Bytes that a picture takes at the least, if it and its result are in memory: computing, or packing."""
    packing = int(_FILE.get(form, _PACKED_FILE) * sizes.result)
    return sizes.result + max(sizes.stored, packing)


def peak(sizes: Sizes, form: str, features: int, settings: Settings, *, bands: bool) -> int:
    """Bytes that a picture will take, the libraries and the weights left out.

    Args:
        sizes: of the picture and its result.
        form: format of the result.
        features: bytes of the network's features, if all of them are in memory; 0 if they are on a GPU.
        settings: of the run.
        bands: whether rows can be read and written without the others.
    """
    budget = allowed(settings)
    if bands and in_one_piece(sizes) > budget:
        return budget
    # In one piece: the picture in float, once more for the network, the features, and the result; then rounding.
    floats = sizes.floats // 2
    result = sizes.result // sizes.depth * _FLOAT
    computing = max(features + 2 * (floats - result) + result, floats + result + sizes.result)
    if not settings.tta and computing > budget:
        computing = max(budget - sizes.stored, budget // 4 + sizes.result)
    return max(sizes.stored + computing, least(sizes, form))


def check(sizes: Sizes, form: str, settings: Settings, hint: str) -> None:
    """MemoryExhausted if a picture that has to be in memory will not fit."""
    needed = least(sizes, form)
    most = settings.max_memory or int(_UTMOST * free_memory())
    if needed > most:
        whose = "--max-memory allows" if settings.max_memory else "this machine has free"
        raise MemoryExhausted(
            f"{sizes.size[0]}x{sizes.size[1]} pixels and their result take at least {_mib(needed)} of memory, "
            f"{whose} {_mib(most)}: {hint}"
        )


def _mib(count: int) -> str:
    return f"{-(-count >> 20)} MiB"
