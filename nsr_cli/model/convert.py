"""Reading checkpoints of the paper's authors: `.pth` files, opened without ever running code in them.

Their layout: `model_state_dict` with `body.0` (head), `body.1…N` (blocks, convolutions `body.0` and `body.2`),
`body.N+1` (tail) and `skip.0`; each with `weight_g`, `weight_v`, `bias`, sparse ones also `mlp.0`.
"""

import io
import math
import pickle
import re
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nsr_cli.errors import WeightsError
from nsr_cli.model.checkpoint import require_finite, require_room
from nsr_cli.model.config import NetworkConfig
from nsr_cli.model.network import Network
from nsr_cli.shown import safe_text

_BLOCK = re.compile(r"body\.(\d+)\.body\.0\.weight_v")
_STARTS = (b"PK\x03\x04", b"\x80")  # a checkpoint is a zip file, or, before PyTorch 1.6, a pickle


def import_pth(data: bytes, name: str = "checkpoint") -> Network:
    """The folded network in the bytes of an authors' checkpoint.

    Only tensors and plain containers are unpickled (`weights_only`); anything else is refused unread.

    Raises:
        WeightsError: it is not such a checkpoint, holds more than tensors or less than it claims, or its network is
            not finite.
    """
    tensors = _plain_tensors(_unpickle(data, name), name)
    try:
        config = _config_of(tensors)
        require_room(config, data, name)  # a tensor may repeat one stored number
        network = Network(config)
        network.load_state_dict({_our_name(key, config.blocks): value for key, value in tensors.items()})
    except (KeyError, ValueError, IndexError, ZeroDivisionError, RuntimeError):
        raise WeightsError(  # the error's own text ("'body.0.weight_v'") would help nobody
            f"{name}: not a network of the paper's authors: its tensors have other names or shapes; others cannot be "
            "imported"
        ) from None
    network.fold()
    require_finite(network.state_dict(), name)  # an all-zero kernel has no direction: 0/0
    return network.eval().requires_grad_(False)


def _unpickle(data: bytes, name: str) -> Any:
    if not data.startswith(_STARTS):  # else torch would call it a pickle that could run code
        raise WeightsError(f"{name}: not a PyTorch checkpoint: it is something else; get the file again")
    try:
        # Torch warns about odd files before it refuses them; the error message alone is enough.
        with warnings.catch_warnings(action="ignore"):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise WeightsError(
            f"{name}: refused, it is no checkpoint of tensors alone, and anything else could run code; "
            "save its state_dict alone"
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        # The text of a KeyError or an EOFError ("101") would help nobody.
        says = isinstance(error, OSError | RuntimeError | ValueError) and str(error)
        reason = re.split(r"\. |\n", str(error))[0] if says else "it is cut off, or something else"
        raise WeightsError(f"{name}: not a PyTorch checkpoint: {reason}; get the file again") from None


def _plain_tensors(content: Any, name: str) -> dict[str, Tensor]:
    if isinstance(content, Mapping) and isinstance(content.get("model_state_dict"), Mapping):
        content = content["model_state_dict"]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError(
            f"{name}: has no model_state_dict of tensors; give a .pth file of the paper's authors"
        )
    tensors = {str(key).removeprefix("module."): value for key, value in content.items()}
    for key, value in tensors.items():
        if not _is_plain(value):
            form = value.dtype if value.layout == torch.strided else value.layout
            kind = "meta" if value.is_meta else str(form).removeprefix("torch.")
            raise WeightsError(
                f"{name}: {safe_text(key[:100])} is not a plain tensor of floating-point numbers ({kind}), as the "
                "paper's authors store; others cannot be imported"
            )
    return tensors


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is floating-point, dense and in memory."""
    return tensor.is_floating_point() and tensor.layout == torch.strided and not tensor.is_meta


def _config_of(tensors: Mapping[str, Tensor]) -> NetworkConfig:
    """The configuration, with sizes from the tensors' shapes and the paper's defaults for all else."""
    width, channels = tensors["body.0.weight_v"].shape[:2]
    blocks = sum(_BLOCK.fullmatch(key) is not None for key in tensors)
    outer, inner = tensors["body.1.body.2.weight_v"].shape[:2]  # k·n, w·n
    groups = outer // width
    gate = tensors.get("body.1.body.0.mlp.0.weight")
    scale = math.isqrt(tensors[f"body.{blocks + 1}.weight_v"].shape[0] // channels)
    return NetworkConfig(
        blocks=blocks,
        width=width,
        expansion=inner // width,
        groups=groups,
        cardinality=1 if gate is None else gate.shape[0] // groups,
        selection="none" if gate is None else "softmax",
        scale=scale,
        channels=channels,
    )


def _our_name(key: str, blocks: int) -> str:
    """Their parameter name -> ours."""
    part, number, *rest = key.split(".")
    ends = {"0": "head", str(blocks + 1): "tail"}
    if part == "skip" or number in ends:
        return ".".join(["skip" if part == "skip" else ends[number], *rest])
    conv = {"0": "first", "2": "second"}[rest[1]]
    parameter = ".".join(rest[2:]).replace("mlp.0", "selector.linear")
    return f"body.{int(number) - 1}.{conv}.{parameter}"
