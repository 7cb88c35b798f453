"""The weights that a run starts from: chance, or another network as far as it fits."""

import torch
from torch import Tensor

from nsr_cli.errors import UsageError
from nsr_cli.files import safe_text
from nsr_cli.model.checkpoint import fitting
from nsr_cli.model.network import Network
from nsr_cli.model.sparse_conv import Convolution, SparseConvolution
from nsr_cli.training.recipe import Recipe

# Of a kernel's own root mean square; without it equal groups would get nearly equal gradients and stay alike.
SPLIT_NOISE = 0.02


def initial(recipe: Recipe, init: Network | None, noise: float = SPLIT_NOISE) -> Network:
    """The network that `recipe` begins with.

    Args:
        recipe: names the network and the seed of what is left to chance.
        init: weights to take over, folded or not. Those of a plain network become the k groups of a sparse one of the
            same widths; parts of other shapes (head and tail of another scale) are left to chance.
        noise: by how much the groups of a plain kernel differ, relative to its root mean square.

    Raises:
        UsageError: no kernel of `init` fits, so that it would be no start.
    """
    torch.manual_seed(recipe.seed)
    network = Network(recipe.network)
    if init is not None:
        source = unfolded(init)
        taken = fitting(source.state_dict(), network)
        network.load_state_dict(taken, strict=False)
        split = _split(source, network, noise)
        if not split and not any(name.endswith("weight_v") for name in taken):
            raise UsageError(
                f"--init {safe_text(recipe.init or 'weights')}: none of its kernels fits this network; choose a "
                "--network of its widths, or other weights"
            )
    return network


def unfolded(network: Network) -> Network:
    """The same network with weight normalisation: plain kernels become directions with their norm as gain."""
    if network.head.weight_g is not None:
        return network
    copy = Network(network.config)
    state = {}
    for name, tensor in network.state_dict().items():
        state[name] = tensor
        if name.endswith("weight_v"):
            state[name.removesuffix("v") + "g"] = torch.linalg.vector_norm(
                tensor, dim=(1, 2, 3), keepdim=True
            )
    copy.load_state_dict(state)
    return copy


@torch.no_grad()
def _split(plain: Network, network: Network, noise: float) -> int:
    """Give every group of a sparse layer the kernels of the plain layer in its place; return how many had one.

    The weights of softmax and Gumbel groups add up to 1, so that the output stays the same. Sigmoids begin near 1/2
    each: there the kernels are scaled by 2/k.
    """
    layers = dict(plain.named_modules())
    count = 0
    share = 2 / network.config.groups if network.config.selection == "sigmoid" else 1.0
    for name, layer in network.named_modules():
        one = layers.get(name)
        if not isinstance(layer, SparseConvolution) or not isinstance(one, Convolution):
            continue
        if one.weight_v.shape != (layer.out_channels, layer.in_channels, 3, 3):
            continue
        if one.weight_g is None or layer.weight_g is None:
            raise ValueError("both networks must have weight normalisation")
        layer.weight_v.copy_(_repeated(one.weight_v, layer.groups, noise))
        layer.weight_g.copy_(_repeated(one.weight_g, layer.groups) * share)
        layer.bias.copy_(_repeated(one.bias, layer.groups) * share)
        count += 1
    return count


def _repeated(tensor: Tensor, groups: int, noise: float = 0.0) -> Tensor:
    repeated = tensor.repeat(groups, *(1,) * (tensor.ndim - 1))
    if not noise:
        return repeated
    return repeated + noise * tensor.square().mean().sqrt() * torch.randn_like(repeated)
