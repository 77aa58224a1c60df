"""The ONNX file: onnxruntime, which shares no code with PyTorch, is the judge."""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from objdisc.errors import ObjdiscError, UsageError
from objdisc.export.onnx import check_onnx, write_onnx
from objdisc.inference.predict import Predictions, predict
from objdisc.methods.kmeans_baseline import KMeansBaseline
from objdisc.methods.kmeans_memory import KMeansMemory
from objdisc.models.encoder import Encoder
from objdisc.patches.store import PatchStore
from objdisc.training.options import TrainerOptions
from objdisc.types import Prediction

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra objdisc[onnx]")
SETTINGS = TrainerOptions(precision="fp32", device="cpu", workers=0)
ABOUT = {"categories": [{"id": 1, "name": 'Straße "1"'}], "size": 16}


def make_encoder() -> Encoder:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 16, 5, stride=4), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    body = nn.Sequential(*layers)
    body.train()(torch.randn(64, 3, 16, 16))  # statistics other than those of an empty network
    return Encoder(body, 64, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


@pytest.fixture(scope="module")
def method() -> KMeansMemory:
    return KMeansMemory(make_encoder(), 5).eval()


@pytest.fixture(scope="module")
def file(method: KMeansMemory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_onnx(tmp_path_factory.mktemp("a b") / "model.onnx", method, SETTINGS, 16, ABOUT)


def run(file: Path, patches: Any, *outputs: str) -> list[Any]:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    found: list[Any] = session.run(list(outputs) or None, {"patches": np.ascontiguousarray(patches)})
    return found


def expected(method: KMeansMemory | KMeansBaseline, store: PatchStore, options: TrainerOptions) -> Predictions:
    return predict(method, store, options)


def test_it_predicts_as_the_run_does(file: Path, method: KMeansMemory, val_store: PatchStore) -> None:
    probabilities, embedding, foreground = run(file, val_store.images)
    found = expected(method, val_store, SETTINGS)
    np.testing.assert_allclose(probabilities, found.probabilities, atol=1e-5)
    np.testing.assert_allclose(embedding, found.features, atol=1e-5)
    assert found.foreground is not None
    np.testing.assert_allclose(foreground, found.foreground, atol=1e-5)
    best = np.sort(found.probabilities, axis=1)
    tie = best[:, -1] - best[:, -2] < 1e-6
    assert not tie.all()
    assert len(np.unique(found.probabilities.argmax(axis=1))) > 1
    np.testing.assert_array_equal(
        probabilities.argmax(axis=1)[~tie], found.probabilities.argmax(axis=1)[~tie], "every patch, the same cluster"
    )


@pytest.mark.parametrize("count", [1, 2, 7])
def test_any_number_of_patches_goes_in(file: Path, val_store: PatchStore, count: int) -> None:
    probabilities, embedding, foreground = run(file, val_store.images[:count])
    assert (probabilities.shape, embedding.shape, foreground.shape) == ((count, 5), (count, 32), (count,))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_one_output_alone_can_be_asked_for(file: Path, val_store: PatchStore) -> None:
    (embedding,) = run(file, val_store.images[:3], "embedding")
    assert embedding.shape == (3, 32)


def test_the_file_says_what_it_is(file: Path) -> None:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    found = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
    assert found == ABOUT
    (patches,) = session.get_inputs()
    assert (patches.name, patches.type, patches.shape[1:]) == ("patches", "tensor(uint8)", [16, 16, 4])


class DistancesWithoutOnnx(KMeansBaseline):
    """Predicts by an operator that ONNX does not have."""

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        embedding = super().infer(images, context).embedding
        return Prediction(torch.cdist(embedding, self.centroids).softmax(dim=1)[:, :, None, None], embedding)


class DependsOnPixels(KMeansBaseline):
    """Predicts one way or another, as the pixels are, which no graph can hold."""

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        found = super().infer(images, context)
        return found if found.embedding.sum() > 0 else Prediction(1 - found.probabilities, found.embedding)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(DistancesWithoutOnnx, "aten._cdist_forward"), (DependsOnPixels, "data-dependent expression")],
)
def test_what_has_no_onnx_form_is_refused_in_one_plain_line_that_says_why(
    kind: type[KMeansBaseline], reason: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    method = kind(make_encoder(), 3).eval()
    with pytest.raises(ObjdiscError, match=rf"the network has no ONNX form \(.*{reason}") as caught:
        write_onnx(tmp_path / "model.onnx", method, SETTINGS, 16, {})
    assert str(caught.value).isprintable(), "neither colours nor further lines"
    assert capfd.readouterr() == ("", ""), "the exporter's own report stays off the terminal"
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.slow
@pytest.mark.parametrize("background", ["keep", "dim"])
def test_backgrounds_are_treated_inside(background: Any, val_store: PatchStore, tmp_path: Path) -> None:
    options = replace(SETTINGS, background=background, equalization=0.0)
    method = KMeansBaseline(make_encoder(), 3).eval()
    method.centroids.copy_(torch.randn(3, 64))
    file = write_onnx(tmp_path / "model.onnx", method, options, 16, {})
    found = expected(method, val_store, options)
    np.testing.assert_allclose(run(file, val_store.images)[0], found.probabilities, atol=1e-5)


def test_the_check_passes_the_right_file_and_stops_the_wrong_one(
    file: Path, method: KMeansMemory, val_store: PatchStore
) -> None:
    check_onnx(file, method, SETTINGS, val_store.images[:50])
    other = KMeansMemory(make_encoder(), 5).eval()
    with torch.no_grad():
        other.memories.copy_(method.memories.flip(0))
    other.embedding.load_state_dict(method.embedding.state_dict())
    with pytest.raises(ObjdiscError, match="onnxruntime puts a patch into another cluster"):
        check_onnx(file, other, SETTINGS, val_store.images[:50])


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "onnxscript"])
def test_without_the_extra_it_says_what_to_install(
    missing: str, method: KMeansMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == missing else find(name, *rest))
    with pytest.raises(UsageError, match=rf"{missing} not installed; run: pip install 'objdisc\[onnx\]'"):
        write_onnx(tmp_path / "model.onnx", method, SETTINGS, 16, {})
    assert not (tmp_path / "model.onnx").exists()
