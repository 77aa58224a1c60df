"""Fixtures that tests of several rooms share."""

from pathlib import Path

import pytest

from objdisc.datasets.toycity import generate_toy_city


@pytest.fixture(scope="session")
def toy_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a toy city in Cityscapes layout, 12 train and 6 val frames of 256x128 pixels; tests only read it."""
    return generate_toy_city(
        tmp_path_factory.mktemp("data") / "toy city", seed=0, num_train=12, num_val=6, size=(256, 128)
    )
