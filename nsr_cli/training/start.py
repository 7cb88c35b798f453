"""The weights that a run starts from: random ones, or those of another network as far as they fit."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import torch
from torch import Tensor

from nsr_cli.errors import UsageError
from nsr_cli.imaging.color import FULL_LUMA_WEIGHTS
from nsr_cli.model.checkpoint import fitting
from nsr_cli.model.config import NetworkConfig
from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import Convolution, SparseConvolution
from nsr_cli.shown import safe_text
from nsr_cli.training.recipe import Recipe
from nsr_cli.training.status import Notify, ignore

# Relative to a kernel's root mean square; without noise, equal groups would get nearly equal gradients and stay alike.
_SPLIT_NOISE = 0.02


def initial(recipe: Recipe, init: Network | None, notify: Notify = ignore) -> Network:
    """The network that `recipe` begins with.

    Args:
        recipe: names the network and the seed of random weights.
        init: weights to take over, folded or not. Those of a plain network become the k groups of a sparse one of the
            same widths; parts of other shapes (head and tail of another scale) keep their random initialization. In a
            deeper network several blocks share what one of them adds, see `deepened`. A gray network begins in color
            by restoring the luma.
        notify: gets a line about what was taken over from `init`, unless the two are alike.

    Raises:
        UsageError: no kernel of `init` fits.
    """
    torch.manual_seed(recipe.seed)
    network = Network(recipe.network)
    if init is not None:
        _take_over(network, init, f"--init {safe_text(recipe.init or 'weights')}", notify)
    return network


def _take_over(network: Network, init: Network, label: str, notify: Notify) -> None:
    """Give `network` those weights of `init` that fit; messages call `init` by `label`."""
    source = unfolded(init)
    if (source.config.channels, network.config.channels) == (1, 3) and source.skip is None:
        source = in_color(source)
    remarks = _differences(source.config, network.config)
    if len(source.blocks) < len(network.blocks):
        source = deepened(source, len(network.blocks))
    fit = fitting(source.state_dict(), network)
    network.load_state_dict(fit, strict=False)
    taken = {*fit, *_split(source, network)}
    if not any(name.endswith("weight_v") for name in taken):
        raise UsageError(
            f"{label}: none of its kernels fits this network; choose a --network of its widths, or other weights"
        )
    if len(taken) < len(network.state_dict()):
        remarks.append(f"{_counted(taken, network)}; the others start at random")
    if remarks:
        notify(f"{label}: {'; '.join(remarks)}")


def _differences(given: NetworkConfig, wanted: NetworkConfig) -> list[str]:
    """Differences, in words, that the number of fitting tensors does not show."""
    found = []
    if given.blocks < wanted.blocks:
        found.append(f"{wanted.blocks} blocks, made by splitting its {given.blocks}")
    elif given.blocks > wanted.blocks:
        found.append(f"only the first {wanted.blocks} of its {given.blocks} blocks")
    if given.selection == "none":  # its kernels become groups, as intended
        return found
    if given.selection != wanted.selection:
        found.append(f"it selects by {given.selection}, this network by {wanted.selection}")
    elif given.temperature != wanted.temperature:
        found.append(
            f"it selects at temperature {given.temperature:g}, this network at {wanted.temperature:g}"
        )
    return found


@torch.no_grad()
def deepened(source: Network, blocks: int) -> Network:
    """A network of more blocks with nearly the same outputs: each block becomes several that share what it adds.

    x + f(x) is nearly x + f(x)/2 + f(x + f(x)/2)/2, two half steps instead of a whole one, so the new blocks have what
    the old ones have learned. New blocks that begin by adding nothing, the other way to grow, still add next to nothing
    after thousands of steps: beside a trained network, what random kernels could contribute is lost in noise.
    """
    deep, before = Network(dataclasses.replace(source.config, blocks=blocks)), len(source.blocks)
    origins = [place * before // blocks for place in range(blocks)]
    rest = {name: value for name, value in source.state_dict().items() if not name.startswith("body.")}
    deep.load_state_dict(rest, strict=False)
    for block, origin in zip(deep.blocks, origins, strict=True):
        block.load_state_dict(source.blocks[origin].state_dict())
        if block.second.weight_g is not None:
            block.second.weight_g.div_(origins.count(origin))
        block.second.bias.div_(origins.count(origin))
    return deep


def _counted(taken: AbstractSet[str], network: Network) -> str:
    """How many of a network's tensors were taken over, in total and in each of its parts."""
    names = list(network.state_dict())
    each = []
    for part in dict.fromkeys(name.partition(".")[0] for name in names):
        own = [name for name in names if name.startswith(f"{part}.")]
        each.append(f"{part} {sum(name in taken for name in own)} of {len(own)}")
    return f"{len(taken)} of {len(names)} tensors taken over ({', '.join(each)})"


def unfolded(network: Network) -> Network:
    """The same network with weight normalization: plain kernels become directions with their norm as gain."""
    if network.head.weight_g is not None:
        return network
    copy = Network(network.config)
    state, fresh = {}, copy.state_dict()
    for name, tensor in network.state_dict().items():
        state[name] = tensor
        if name.endswith("weight_v"):
            state |= _normalized(name.removesuffix(".weight_v"), tensor, fresh)
    copy.load_state_dict(state)
    return copy


@torch.no_grad()
def in_color(gray: Network) -> Network:
    """A network for RGB that adds to each channel what `gray`, which has no skip, adds to the luma.

    The luma of its result is what `gray` makes of the luma; differences between channels stay as they are.
    """
    colored = Network(dataclasses.replace(gray.config, channels=3))
    pixels = gray.config.inner.channels
    head = gray.head.weight
    luma = torch.cat([share * head[:, :pixels] for share in FULL_LUMA_WEIGHTS], dim=1)
    state, fresh = gray.state_dict(), colored.state_dict()
    state |= _normalized("head", torch.cat((luma, head[:, pixels:]), dim=1), fresh)
    state |= _normalized("tail", gray.tail.weight.repeat(3, 1, 1, 1), fresh)
    state["tail.bias"] = gray.tail.bias.repeat(3)
    colored.load_state_dict(state)
    return colored


def _normalized(layer: str, kernels: Tensor, fresh: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weight normalization of plain kernels: their directions and, as gains, their norms.

    Kernels of zeros have no direction. They get that of `fresh`, the state of a new network, so that they can learn.
    """
    norms = torch.linalg.vector_norm(kernels, dim=(1, 2, 3), keepdim=True)
    directions = torch.where(norms > 0, kernels, fresh[f"{layer}.weight_v"])
    return {f"{layer}.weight_v": directions, f"{layer}.weight_g": norms}


@torch.no_grad()
def _split(plain: Network, network: Network) -> set[str]:
    """Give every group of a sparse layer the kernels of the plain layer in its place; return the tensors' names.

    The weights of softmax and Gumbel groups add up to 1, so the output stays the same. Sigmoids begin near 1/2 each, so
    for them the kernels are scaled by 2/k.
    """
    layers = dict(plain.named_modules())
    given: set[str] = set()
    share = 2 / network.config.groups if network.config.selection == "sigmoid" else 1.0
    for name, layer in network.named_modules():
        one = layers.get(name)
        if not isinstance(layer, SparseConvolution) or not isinstance(one, Convolution):
            continue
        if one.weight_v.shape != (layer.out_channels, layer.in_channels, 3, 3):
            continue
        if one.weight_g is None or layer.weight_g is None:
            raise ValueError("both networks must have weight normalization")
        kernels = _repeated(one.weight_v, layer.groups)
        noise = _SPLIT_NOISE * one.weight_v.square().mean().sqrt() * torch.randn_like(kernels)
        layer.weight_v.copy_(kernels + noise)
        layer.weight_g.copy_(_repeated(one.weight_g, layer.groups) * share)
        layer.bias.copy_(_repeated(one.bias, layer.groups) * share)
        given |= {f"{name}.{tensor}" for tensor in ("weight_v", "weight_g", "bias")}
    return given


def _repeated(tensor: Tensor, groups: int) -> Tensor:
    return tensor.repeat(groups, *(1,) * (tensor.ndim - 1))
