"""Small trainings on the patches of the toy city, and what they leave."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from objdisc.io.run import Run
from objdisc.methods.kmeans_memory import KMeansMemory
from objdisc.models.encoder import Encoder
from objdisc.training.options import TrainerOptions

OPTIONS = TrainerOptions(epochs=3, batch_size=16, lr=3e-3, device="cpu", precision="fp32", workers=0)

MakeMethod = Callable[..., KMeansMemory]


@pytest.fixture
def make_method(make_encoder: Callable[[], Encoder]) -> MakeMethod:
    def make(**switches: Any) -> KMeansMemory:
        encoder = make_encoder()
        return KMeansMemory(encoder, 4, **{"embedding_dim": 8, "init_views": 2, "queue_size": 64} | switches)

    return make


def log_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.metrics_log.read_text(encoding="utf-8").splitlines()]


def weights_of(run: Run) -> dict[str, Tensor]:
    return load_file(run.weights)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return set(first) == set(second) and all(torch.equal(value, second[name]) for name, value in first.items())
