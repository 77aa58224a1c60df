"""A run's objects without a run: patches of the toy city in the clusters that a test chooses."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.datasets import open_dataset
from objdisc.datasets.base import ImageDataset
from objdisc.export.objects import NamedObjects
from objdisc.imaging.colors import cluster_colors
from objdisc.naming.categories import Names
from objdisc.objectness.instances import Instances
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions
from objdisc.retrieval import Index

MakeObjects = Callable[..., NamedObjects]


@pytest.fixture(scope="session")
def val(toy_city: Path) -> ImageDataset:
    return open_dataset(toy_city, "val")


@pytest.fixture(scope="session")
def val_store(val: ImageDataset, tmp_path_factory: pytest.TempPathFactory) -> PatchStore:
    """Cut every object of the toy city's val split, however small, and its background."""
    options = PatchOptions(size=16, min_area=1)
    return PatchStore.build(val, Instances(), options, tmp_path_factory.mktemp("val patches"), workers=0)


@pytest.fixture(scope="session")
def make_objects(val: ImageDataset, val_store: PatchStore) -> MakeObjects:
    """Give a function that makes objects of probabilities ``(N, K)``, random ones if none are given, and names."""

    def make(
        probabilities: NDArray[np.float32] | None = None,
        names: Names | None = None,
        *,
        store: PatchStore = val_store,
        dataset: ImageDataset = val,
    ) -> NamedObjects:
        if probabilities is None:
            probabilities = np.random.default_rng(0).dirichlet([0.5] * 4, len(store)).astype(np.float32)
        index = Index(
            embeddings=np.zeros((len(store), 2), np.float32),
            clusters=probabilities.argmax(axis=1).astype(np.int32),
            confidence=probabilities.max(axis=1),
            probabilities=probabilities,
            foreground=store.foreground,
            normalized=False,
            split=dataset.split,
            store_key=store.key,
            weights="",
            root=dataset.root,
            image_paths={s.name: s.image_path for s in dataset.samples if s.name in store.frames},
        )
        return NamedObjects.of(store, index, names or Names.default(cluster_colors(probabilities.shape[1])))

    return make
