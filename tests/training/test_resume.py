"""Every method: a training stopped within an epoch and resumed ends with the bits of one that never stopped."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from objdisc.config.components import Component, component_names, resolve_class_path
from objdisc.io.run import Run, read_metrics_log
from objdisc.methods.base import Method, Ranks
from objdisc.models.encoder import build_encoder
from objdisc.patches.store import PatchStore
from objdisc.training.options import TrainerOptions
from objdisc.training.trainer import fit
from objdisc.types import Batch

OPTIONS = TrainerOptions(epochs=4, batch_size=16, device="cpu", precision="fp32", workers=0, background_share=0.2)
SMALL: dict[str, dict[str, Any]] = {
    "deepcluster": {"overclusters": 6, "dimensions": 8},
    "deepcluster_v2": {"overclusters": 6, "embedding_dim": 8},
    "grown": {"known": "kmeans_baseline", "num_known": 2},
    "iic": {"overclusters": 6, "subheads": 2, "order": ["AB"], "pretext_epochs": 1, "lead_epochs": 1},
    "iic_dense": {"overclusters": 6, "half_t": 2, "order": ["AB"], "resolution": "network", "lead_epochs": 1},
    "jule": {"period_epochs": 2, "neighbors": 4},
    "kmeans_memory": {"embedding_dim": 8},
    "scan": {"neighbors": 4},
    "selflabel": {"threshold": 0.1},
    "simclr": {"neighbors": 4, "mining_period": 3, "kept_side": 16},
}
"""What lets a method show in four epochs on a few patches what it does; nothing for one whose defaults do."""


class Interrupted(Exception):
    """Stands in for the power cut."""


def make(name: str) -> Method:
    torch.manual_seed(0)
    named = Component(resolve_class_path(name, Method, "objdisc.methods"), SMALL.get(name, {}))
    return named.build(Method, encoder=build_encoder("segnet:8,M,16", "none"), num_clusters=3, seed=0)


def stop_at(method: Method, call: int) -> None:
    step, calls = method.training_step, iter(range(call))

    def training_step(batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        if next(calls, None) is None:
            raise Interrupted
        return step(batch, ranks)

    method.training_step = training_step  # type: ignore[method-assign]


@pytest.mark.parametrize("name", component_names(Method, "objdisc.methods"))
def test_a_stopped_training_goes_on_exactly(name: str, toy_store: PatchStore, tmp_path: Path) -> None:
    if not make(name).trains:
        pytest.skip(f"{name} runs no epoch")
    whole, stopped = Run(tmp_path / "whole"), Run(tmp_path / "stopped")
    fit(make(name), toy_store, whole, OPTIONS)
    method = make(name)
    stop_at(method, call=read_metrics_log(whole.metrics_log)[-1]["step"] // 2 + 1)
    with pytest.raises(Interrupted):
        fit(method, toy_store, stopped, OPTIONS)
    assert 1 <= len(read_metrics_log(stopped.metrics_log)) < OPTIONS.epochs
    torch.manual_seed(99)
    fit(make(name), toy_store, stopped, OPTIONS, resume=True)
    one, other = load_file(whole.weights), load_file(stopped.weights)
    assert set(one) == set(other)
    assert [key for key in one if not torch.equal(one[key], other[key])] == []
