"""Shares of patches that stay in their cluster, for clusterings whose stability is known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from objdisc.augmentation.views import Augmentation
from objdisc.inference.agreement import kept_clusters
from objdisc.inference.predict import predict
from objdisc.methods.kmeans_memory import KMeansMemory
from objdisc.models.encoder import Encoder
from objdisc.patches.store import PatchStore
from objdisc.training.options import TrainerOptions
from objdisc.types import Prediction

OPTIONS = TrainerOptions(device="cpu", precision="fp32", workers=0)


class Known(KMeansMemory):
    """Clusters by what the test says of an image."""

    of_image: Callable[[Tensor], Tensor]

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        clusters = torch.nn.functional.one_hot(self.of_image(images), 3).float()
        return replace(super().infer(images, context), probabilities=clusters[:, :, None, None])


@pytest.fixture
def known(make_encoder: Callable[[], Encoder]) -> Known:
    return Known(make_encoder(), 3, embedding_dim=4)


def _assignments(method: KMeansMemory, store: PatchStore) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    found = predict(method, store, OPTIONS).probabilities.argmax(axis=1)
    return np.where(store.foreground, found, -1)


def test_what_no_augmentation_changes_always_stays(toy_store: PatchStore, known: Known) -> None:
    known.of_image = lambda images: torch.zeros(len(images), dtype=torch.long)
    assert kept_clusters(known, toy_store, OPTIONS, _assignments(known, toy_store)) == {0: 1.0}


def test_sides_are_lost_as_often_as_views_are_flipped(toy_store: PatchStore, known: Known) -> None:
    def brighter_half(images: Tensor) -> Tensor:
        left, right = images.mean(dim=(1, 2)).tensor_split(2, dim=1)
        return (left.mean(dim=1) > right.mean(dim=1)).long()

    known.of_image = brighter_half
    assignments = _assignments(known, toy_store)
    options = replace(OPTIONS, augmentation=Augmentation(crop_scale=1, flip=0.5, jitter=0, grey=0))
    kept = kept_clusters(known, toy_store, options, assignments)
    assert set(kept) == {0, 1}
    assert all(0.2 < share < 0.8 for share in kept.values())
    assert kept == kept_clusters(known, toy_store, options, assignments)


def test_clusters_of_a_few_patches_and_none_are_left_out(toy_store: PatchStore, known: Known) -> None:
    known.of_image = lambda images: torch.zeros(len(images), dtype=torch.long)
    assignments = np.full(len(toy_store), -1)
    assert kept_clusters(known, toy_store, OPTIONS, assignments) == {}
    assignments[:7], assignments[7:27] = 0, 2
    assert kept_clusters(known, toy_store, OPTIONS, assignments) == {2: 0.0}
