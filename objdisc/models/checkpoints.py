"""Weights as other programs write them: a file, or a folder with a file and its settings, read without running code."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from objdisc.errors import UsageError

_FILES = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json")
"""File names of weights from ``save_pretrained`` of transformers and timm; an index lists the parts of a split file."""
_WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model", "teacher", "encoder")
"""Keys under which a training checkpoint holds weights; averaged ones first."""


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint by name, in the order of the file.

    Args:
        path: A ``.safetensors`` file, one that ``torch.load`` reads without executing code, or a folder with one as
            ``save_pretrained`` writes it.

    Raises:
        UsageError: It is missing, cannot be read, or holds anything else.
    """
    if path.is_dir():
        path = _weights_in(path)
    elif not path.is_file():
        raise UsageError(
            f"--weights {path}: no such file; give none, pretrained, imagenet, a .safetensors or .pth file, or a folder"
        )
    if path.suffix == ".json":
        return {name: tensor for part in _parts_of(path) for name, tensor in _read(part).items()}
    return _read(path)


def keeps_order(path: Path) -> bool:
    """Whether the tensors of a checkpoint are in the order in which they were saved: safetensors sorts them."""
    return path.is_file() and path.suffix != ".safetensors"


def config_of(path: Path) -> Mapping[str, Any]:
    """Return the settings that transformers or timm wrote beside a checkpoint; empty if there are none."""
    try:
        found = json.loads((path if path.is_dir() else path.parent).joinpath("config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    known = isinstance(found, Mapping) and {"model_type", "pretrained_cfg"} & set(found)
    return found if known else {}


def _weights_in(folder: Path) -> Path:
    found = next((folder / name for name in _FILES if (folder / name).is_file()), None)
    if found is None:
        raise UsageError(f"--weights {folder}: no weights in this folder; it must hold {' or '.join(_FILES[:2])}")
    return found


def _parts_of(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise UsageError(f"--weights {index}: not an index of weights files") from error
    return [index.parent / Path(str(name)).name for name in names]


def _read(path: Path) -> dict[str, Tensor]:
    state: object
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickles and safetensors fail in many ways, all of them the file's fault
        raise UsageError(f"--weights {path}: not a weights file that can be read without executing code") from error
    while isinstance(state, Mapping) and (wrapper := next((key for key in _WRAPPERS if _is_state(state, key)), "")):
        state = state[wrapper]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UsageError(f"--weights {path}: not a mapping of names to tensors; save the network's state_dict alone")
    state = dict(state)
    while state and all(name.startswith("module.") for name in state):  # as DistributedDataParallel calls them
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return state


def _is_state(state: Mapping[str, object], key: str) -> bool:
    return isinstance(state.get(key), Mapping)
