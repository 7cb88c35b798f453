"""A folder of small pictures with structure to learn, and a recipe that trains in seconds."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve 64×72 pictures of waves and edges."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(5)
    y, x = np.mgrid[0:64, 0:72]
    for i in range(12):
        a, b, c = random.uniform(0.05, 0.5, 3)
        planes = [127 + 100 * np.sin(a * x + b * y + phase) * np.sign(np.cos(c * x)) for phase in (0, 1, 2)]
        Image.fromarray(np.stack(planes, axis=2).clip(0, 255).astype(np.uint8)).save(folder / f"{i:02}.png")
    return folder
