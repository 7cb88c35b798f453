"""How fast this machine runs the networks: every figure of the table."""

from collections.abc import Callable

import torch

from nsr_cli.bench.authors import authors_scheme
from nsr_cli.bench.figures import Figure, Growth, Place
from nsr_cli.bench.layers import convolution_peak, sparse_layer
from nsr_cli.bench.networks import MEGAPIXELS, SIZE, growth, narrow_numbers, whole_network
from nsr_cli.engine.device import choose_precision

Notify = Callable[[str], None]

SIZES = (SIZE, (1080, 1920))  # the second is full HD


def run_all(place: Place, *, quick: bool, notify: Notify) -> tuple[list[Figure], Growth]:
    """Every figure, in the order of the table; `quick` leaves out the largest pictures."""
    figures = convolution_peak(place)
    notify("convolution peak measured")
    figures += sparse_layer(place)
    notify("sparse layer measured")
    for height, width in SIZES[:1] if quick else SIZES:
        figures += whole_network(place, height, width, peak=figures[0].value)
        notify(f"network on {width}×{height} measured")
    figures += authors_scheme(place)
    notify("authors' scheme measured")
    if place.dtype != torch.bfloat16 and choose_precision("auto", place.device) == torch.bfloat16:
        figures += narrow_numbers(place)
    grown = growth(place, MEGAPIXELS[:3] if quick else MEGAPIXELS)
    return figures + grown.figures(), grown
