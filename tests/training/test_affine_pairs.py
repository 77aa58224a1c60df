"""What the trainer hands to a method that compares two views pixel by pixel."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from objdisc.augmentation.affine import Affine, warp
from objdisc.augmentation.views import Augmentation
from objdisc.inference.predict import Predictor
from objdisc.io.run import Run
from objdisc.methods.base import Method, Ranks, Views
from objdisc.models.encoder import Encoder
from objdisc.patches.store import PatchStore
from objdisc.training.options import TrainerOptions
from objdisc.training.trainer import fit
from objdisc.types import Batch, Prediction

OPTIONS = TrainerOptions(
    epochs=2,
    batch_size=16,
    device="cpu",
    precision="fp32",
    workers=0,
    background="keep",
    equalization=0,
    background_share=0,
    augmentation=Augmentation(crop_scale=0.2, flip=1, jitter=0, grey=0),
    affine=Affine(flip=0.5, rotation=20, scale=0.8, shift=0.1),
)


class Recorder(Method):
    """Keeps the batches it is trained on; predicts the brightness of each pixel."""

    views = Views.AFFINE_PAIR

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder, 2)
        self.weight = nn.Parameter(torch.ones(()))
        self.batches: list[Batch] = []

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        self.batches.append(batch)
        return {"loss": self.weight.square()}

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        bright = images[:, :1].sigmoid()
        return Prediction(torch.cat([bright, 1 - bright], dim=1), images.mean(dim=(2, 3)))


@pytest.fixture
def trained(make_encoder: Callable[[], Encoder], toy_store: PatchStore, tmp_path: Path) -> Recorder:
    method = Recorder(make_encoder())
    fit(method, toy_store, Run(tmp_path), OPTIONS)
    return method


def test_the_first_view_is_the_patch_and_the_second_goes_back_onto_it(trained: Recorder, toy_store: PatchStore) -> None:
    """Crops and flips of ``augmentation`` would tear the views apart: they are left out."""
    for batch in trained.batches:
        patches = torch.from_numpy(toy_store.images[batch.index.numpy()])
        plain = (patches[..., :3].permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
        torch.testing.assert_close(batch.views[0], plain, atol=1e-5, rtol=0)
        assert batch.to_first is not None
        assert batch.valid is not None
        assert not (batch.valid & (patches[..., 3] <= 127)).any()
        assert batch.valid.any()
        back = warp(batch.views[1], batch.to_first)
        apart = (back - batch.views[0]).abs().mean(dim=1)[batch.valid]
        unaligned = (batch.views[1] - batch.views[0]).abs().mean(dim=1)[batch.valid]
        assert apart.mean() < 0.5 * unaligned.mean()


def test_maps_depend_on_sample_and_epoch(trained: Recorder) -> None:
    half = len(trained.batches) // 2
    maps: list[dict[int, Tensor]] = []
    for batches in (trained.batches[:half], trained.batches[half:]):
        found: dict[int, Tensor] = {}
        for batch in batches:
            assert batch.to_first is not None
            found |= dict(zip(batch.index.tolist(), batch.to_first, strict=True))
        maps.append(found)
    first, second = maps
    both = sorted(set(first) & set(second))
    assert len(both) > 10
    assert not any(torch.equal(first[row], second[row]) for row in both)


def test_further_processes_give_the_same_pairs(
    trained: Recorder, make_encoder: Callable[[], Encoder], toy_store: PatchStore, tmp_path: Path
) -> None:
    again = Recorder(make_encoder())
    fit(again, toy_store, Run(tmp_path / "again"), replace(OPTIONS, workers=2))
    for first, second in zip(trained.batches, again.batches, strict=True):
        assert torch.equal(first.views[1], second.views[1])


def test_a_patch_is_predicted_by_its_valid_pixels(trained: Recorder, toy_store: PatchStore) -> None:
    predictor = Predictor(trained, OPTIONS)
    patches = torch.from_numpy(toy_store.images[:3].copy())
    patches[..., 3] = 0
    patches[0, 4:9, 5:7, 3] = 255
    patches[1, :, :, 3] = 255
    found = predictor(patches).probabilities
    pixels = predictor.pixels(patches)
    assert pixels.shape == (3, 2, 32, 32)
    assert found[0] == pytest.approx(pixels[0, :, 4:9, 5:7].mean(dim=(1, 2)).numpy(), abs=1e-5)
    assert found[1] == pytest.approx(pixels[1].mean(dim=(1, 2)).numpy(), abs=1e-5)
    assert found[2] == pytest.approx(pixels[2].mean(dim=(1, 2)).numpy(), abs=1e-5), "no valid pixel: all count"
