"""Encoding and predicting in the order of the store, whatever the batch or the number of processes."""

from collections.abc import Callable
from dataclasses import replace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objdisc.augmentation.preprocessing import Background, Preprocessing
from objdisc.augmentation.views import Augmentation
from objdisc.inference.predict import predict
from objdisc.methods.iic import IIC
from objdisc.methods.kmeans_baseline import KMeansBaseline
from objdisc.methods.kmeans_memory import KMeansMemory
from objdisc.models.encoder import Encoder
from objdisc.patches.store import PatchStore
from objdisc.training.encoding import StoreEncoder
from objdisc.training.engine import make_accelerator
from objdisc.training.options import TrainerOptions

OPTIONS = TrainerOptions(device="cpu", precision="fp32", workers=0)
HALF = (0.5, 0.5, 0.5)


@pytest.fixture
def method(make_encoder: Callable[[], Encoder]) -> KMeansMemory:
    return KMeansMemory(make_encoder(), 4, embedding_dim=8)


def encoder_of(store: PatchStore, method: KMeansMemory) -> StoreEncoder:
    return StoreEncoder(store, method, make_accelerator("cpu", "fp32"), OPTIONS)


def test_rows_are_encoded_in_the_order_asked_for(toy_store: PatchStore, method: KMeansMemory) -> None:
    rows = torch.tensor([5, 0, 17, 5])
    encoded = encoder_of(toy_store, method)(method.encoder, rows)
    method.encoder.eval()
    preprocess = Preprocessing(HALF, HALF, "blank", OPTIONS.equalization)
    images = preprocess(torch.from_numpy(toy_store.images[rows.numpy()]))
    with torch.no_grad():
        torch.testing.assert_close(encoded, method.encoder(images))


def test_encoding_leaves_the_mode_and_the_statistics_as_they_were(toy_store: PatchStore, method: KMeansMemory) -> None:
    method.encoder.train()
    before = {name: value.clone() for name, value in method.encoder.state_dict().items()}
    encoder_of(toy_store, method)(method.encoder, torch.arange(20))
    assert method.encoder.training
    assert all(torch.equal(value, before[name]) for name, value in method.encoder.state_dict().items())


def test_a_function_of_images_is_run_with_its_method_in_evaluation_mode(
    toy_store: PatchStore, method: KMeansMemory
) -> None:
    def seen(images: Tensor) -> Tensor:
        assert not method.training
        return method.project(method.features(images))

    encode, rows = encoder_of(toy_store, method), torch.arange(20)
    expected = method.eval().project(encode(method.encoder, rows))
    for training in (True, False):
        torch.testing.assert_close(encode(seen, rows), expected)
        assert method.train(training).training is training
        encode(seen, rows)
        assert method.training is training


def test_the_same_view_number_gives_the_same_view(toy_store: PatchStore, method: KMeansMemory) -> None:
    encode, rows = encoder_of(toy_store, method), torch.arange(6)
    first, again, other, plain = (encode(method.encoder, rows, view=view) for view in (0, 0, 1, None))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, plain)


def test_views_repeat_objects_on_empty_backgrounds_alone(
    toy_store: PatchStore, method: KMeansMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def seen(patch: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        asked.append(1)
        return patch

    monkeypatch.setattr("objdisc.training.loader.repeat_object", seen)
    rows = torch.from_numpy(np.flatnonzero(toy_store.foreground)[:20])
    always = Augmentation(repeat=1.0)
    expectations: list[tuple[Background, int]] = [("keep", 0), ("dim", 0), ("blank", len(rows))]
    for background, expected in expectations:
        asked.clear()
        options = replace(OPTIONS, background=background, augmentation=always)
        encode = StoreEncoder(toy_store, method, make_accelerator("cpu", "fp32"), options)
        encode(method.encoder, rows)
        assert not asked
        encode(method.encoder, rows, view=0)
        assert len(asked) == expected


@pytest.mark.parametrize(("world", "count"), [(2, 7), (3, 7), (4, 1), (3, 1), (5, 2)])
def test_shares_of_all_ranks_are_equal_and_join_to_the_rows(
    toy_store: PatchStore, method: KMeansMemory, world: int, count: int
) -> None:
    """Gathering needs equal shares on every rank; what wraps around is cut off."""
    rows = torch.randperm(len(toy_store), generator=torch.Generator().manual_seed(0))[:count]
    shares: list[Tensor] = []
    for rank in range(world):
        stand_in = MagicMock(wraps=make_accelerator("cpu", "fp32"))
        stand_in.process_index, stand_in.num_processes, stand_in.device = rank, world, torch.device("cpu")
        stand_in.gather.side_effect = shares.append
        encode = StoreEncoder(toy_store, method, stand_in, OPTIONS)
        with pytest.raises(TypeError):  # the stand-in has no other ranks to gather from
            encode(method.encoder, rows)
    assert len({len(share) for share in shares}) == 1
    expected = encoder_of(toy_store, method)(method.encoder, rows)
    torch.testing.assert_close(torch.cat(shares)[:count], expected)


def test_predictions_are_those_of_the_method_on_each_patch(toy_store: PatchStore, method: KMeansMemory) -> None:
    predictions = predict(method, toy_store, OPTIONS)
    assert predictions.probabilities.shape == (len(toy_store), 4)
    assert predictions.features.shape == (len(toy_store), 8)
    patches = torch.from_numpy(np.array(toy_store.images[7:8]))
    with torch.no_grad():
        blank = Preprocessing(HALF, HALF, "blank", OPTIONS.equalization)(patches)
        kept = Preprocessing(HALF, HALF)(patches)
        said = method.infer(blank, kept)
        likely = method.infer(kept, kept).foreground
    np.testing.assert_allclose(predictions.probabilities[7], said.probabilities[0, :, 0, 0], rtol=1e-4)
    np.testing.assert_allclose(predictions.features[7], said.embedding[0], rtol=1e-4, atol=1e-6)
    assert predictions.foreground is not None
    assert likely is not None
    np.testing.assert_allclose(predictions.foreground[7:8], likely, rtol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_predictions_do_not_depend_on_how_patches_are_batched(
    toy_store: PatchStore, make_encoder: Callable[[], Encoder], monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    options = TrainerOptions(device="cpu", precision="bf16" if precision == "bf16" else "fp32", workers=0)
    method = KMeansBaseline(make_encoder(), 3)
    nn.init.normal_(method.centroids)
    whole = predict(method, toy_store, options).probabilities
    monkeypatch.setattr("objdisc.training.encoding.PIXELS_AT_ONCE", 5 * toy_store.size**2)
    np.testing.assert_allclose(predict(method, toy_store, options).probabilities, whole, rtol=1e-3, atol=1e-5)


def test_every_sub_head_of_a_method_that_has_several_is_predicted(
    toy_store: PatchStore, make_encoder: Callable[[], Encoder]
) -> None:
    method = IIC(make_encoder(), 4, overclusters=8, subheads=3)
    method.losses.copy_(torch.tensor([0.0, -1.0, 0.5]))
    predictions = predict(method, toy_store, OPTIONS)
    assert predictions.subheads is not None
    assert predictions.subheads.shape == (3, len(toy_store), 4)
    np.testing.assert_allclose(predictions.subheads[1], predictions.probabilities, rtol=1e-5)
    some = predict(method, toy_store, OPTIONS, rows=[7, 2, 9])
    np.testing.assert_allclose(some.probabilities, predictions.probabilities[[7, 2, 9]], rtol=1e-4)
