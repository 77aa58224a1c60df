"""A vision transformer is the encoder of a method: trained, saved, loaded again, and exported."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import objdisc
from objdisc.export.onnx import check_onnx, write_onnx
from objdisc.methods.base import Method
from objdisc.methods.kmeans_memory import KMeansMemory
from objdisc.methods.simclr import SimCLR
from objdisc.models.encoder import Encoder
from objdisc.models.patch_grid import PatchGrid
from objdisc.training.options import TrainerOptions

from ..support.tiny_transformer import tiny_transformer

SIDE = 64  # no multiple of the network's patches, and another grid of them
QUICK: dict[str, Any] = {"epochs": 1, "batch_size": 8, "device": "cpu", "workers": 0}


def encoder() -> Encoder:
    torch.manual_seed(0)
    body = tiny_transformer(dynamic_img_size=True)
    return Encoder(body, 64, grid=PatchGrid((14, 14), None, True, ("token", "avg")))


def images() -> torch.Tensor:
    return torch.rand(16, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("make", [SimCLR, KMeansMemory])
def test_it_learns_and_is_loaded_again(make: type[Method], tmp_path: Path) -> None:
    method = make(encoder(), 3)
    before = {name: value.clone() for name, value in method.encoder.state_dict().items()}
    objdisc.fit(method, images(), **QUICK)
    assert all(not torch.equal(value, before[name]) for name, value in method.encoder.state_dict().items())
    weights = tmp_path / "weights.safetensors"
    save_file({name: value.contiguous() for name, value in method.state_dict().items()}, weights)
    again = make(encoder(), 3)
    again.setup(16)
    again.load_state_dict(load_file(weights))
    ours, theirs = (objdisc.predict(one, images(), device="cpu").features for one in (method, again))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_it_is_exported_and_onnxruntime_agrees(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra objdisc[onnx]")
    options = TrainerOptions(precision="fp32", device="cpu", workers=0)
    method = KMeansMemory(encoder(), 3).eval()
    path = write_onnx(tmp_path / "model.onnx", method, options, SIDE, {})
    patches = np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE, 4), np.uint8)
    assert check_onnx(path, method, options, patches).shape == (5,)


@pytest.mark.slow
def test_dinov2_discovers(toy_city: Path, tmp_path: Path) -> None:
    """As a user has it: by name, at 48 pixels, which are no multiple of 14; and the run is loaded again."""
    run = objdisc.discover(
        toy_city,
        encoder="vit_small_patch14_reg4_dinov2",
        weights="none",
        pooling="token+avg",
        num_clusters=3,
        epochs=1,
        patches={"size": 48},
        batch_size=32,
        device="cpu",
        workers=0,
        overlays=0,
        output_dir=tmp_path / "run",
    )
    assert len(run.clusters) == 3
    again = objdisc.load_run(run.path, device="cpu")
    assert again.metrics["supervision"] == "none"
