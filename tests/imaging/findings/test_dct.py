"""The transform of blocks, against SciPy's."""

import numpy as np
from scipy.fft import dctn

from nsr_cli.imaging.findings.dct import SIDE, dct_matrix


def test_it_is_the_orthonormal_dct_of_two_dimensions() -> None:
    block = np.random.default_rng(1).random((SIDE, SIDE))
    assert np.allclose((dct_matrix() @ block.ravel()).reshape(SIDE, SIDE), dctn(block, norm="ortho"))
