"""A method that learns nothing step by step goes through the trainer too."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from objdisc.inference.predict import predict
from objdisc.io.run import Run
from objdisc.methods.classical import Classical
from objdisc.models.encoder import Encoder
from objdisc.patches.store import PatchStore
from objdisc.training.options import TrainerOptions
from objdisc.training.trainer import fit


@pytest.mark.parametrize("space", ["features", "pixels"])
def test_the_trainer_runs_no_epoch(
    make_encoder: Callable[[], Encoder], toy_store: PatchStore, tmp_path: Path, space: Literal["pixels", "features"]
) -> None:
    run = Run(tmp_path)
    options = TrainerOptions(epochs=5, device="cpu", workers=0)
    method = Classical(make_encoder(), 3, algorithm="ward", space=space, side=8)
    assert fit(method, toy_store, run, options) > 0
    assert run.weights.is_file()
    assert not run.metrics_log.exists()
    found = predict(method, toy_store, options).probabilities.argmax(axis=1)[toy_store.foreground]
    np.testing.assert_array_equal(found, method.remembered_clusters.numpy())
