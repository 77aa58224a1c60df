"""What ``import objdisc`` offers: DESIGN.md's lines as they stand there, and what a notebook or script may rely on."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import objdisc
from objdisc.errors import UsageError
from objdisc.models.encoder import Encoder
from objdisc.pipeline.finished import FinishedRun

SMALL: dict[str, Any] = {
    "encoder": "resnet18_3x3:8,2",
    "patches": {"size": 32},
    "epochs": 1,
    "batch_size": 32,
    "workers": 0,
}
QUICK: dict[str, Any] = {"epochs": 1, "batch_size": 20, "workers": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(40, 3, 32, 32, generator=generator)


@pytest.fixture(scope="module")
def run(toy_city: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    folder = tmp_path_factory.mktemp("api") / "run"
    return objdisc.discover(toy_city, num_clusters=4, weights="none", device="cpu", output_dir=folder, **SMALL)


def small_encoder() -> Encoder:
    return objdisc.encoder("resnet18_3x3:8,2", weights="none")


def test_a_discovered_run_has_clusters_metrics_report_and_maps(run: FinishedRun) -> None:
    assert [cluster.id for cluster in run.clusters] == [0, 1, 2, 3]
    assert sum(map(len, run.clusters)) == run.metrics["num_patches"]
    assert run.report.is_file()
    assert len(list(run.maps.rglob("*_clusterIds.png"))) == 6


def test_a_loaded_run_segments_other_images(run: FinishedRun, toy_city: Path, tmp_path: Path) -> None:
    found = objdisc.load_run(run.path, device="cpu").segment(
        toy_city, split="train", output_dir=tmp_path / "maps", workers=0
    )
    assert (found.images, found.skipped) == (12, 0)
    assert len(list(found.maps.rglob("*_clusterIds.png"))) == 12


def test_one_image_is_segmented_as_the_run_did(run: FinishedRun, toy_city: Path) -> None:
    from objdisc.imaging.decode import read_index_map

    dataset = objdisc.open_dataset(toy_city, "val")
    sample = dataset.samples[0]
    found = objdisc.load_run(run.path, device="cpu").segment_image(dataset, sample).clusters
    written = read_index_map(run.maps / f"{sample.name}_clusterIds.png").astype(int)
    assert (np.where(found < 0, 255, found) == written).mean() > 0.99  # small objects have no patch in the run


def test_a_method_is_trained_on_a_tensor_and_nothing_is_written(
    images: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    method = objdisc.methods.SCAN(small_encoder(), num_clusters=4, neighbors=3)
    assert objdisc.fit(method, images, **QUICK) is method
    said = objdisc.predict(method, images, device="cpu")
    np.testing.assert_allclose(said.probabilities.sum(axis=1), 1, rtol=1e-5)
    assert list(tmp_path.iterdir()) == []


def test_tensor_array_and_data_set_train_alike(images: torch.Tensor) -> None:
    bytes_of_images = (images * 255).round().to(torch.uint8)
    forms: list[Any] = [
        bytes_of_images,
        bytes_of_images.permute(0, 2, 3, 1).numpy(),
        TensorDataset(images, torch.arange(40)),
    ]
    weights = []
    for form in forms:
        torch.manual_seed(0)
        method = objdisc.fit(objdisc.methods.SimCLR(small_encoder(), num_clusters=4), form, **QUICK)
        weights.append(method.encoder.body.state_dict())
    for other in weights[1:]:
        assert all(torch.equal(value, other[name]) for name, value in weights[0].items())


def test_fit_goes_on_in_the_folder_that_is_asked_for(images: torch.Tensor, tmp_path: Path) -> None:
    def trained(epochs: int, folder: Path) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        method = objdisc.methods.IIC(small_encoder(), num_clusters=4)
        settings = QUICK | {"epochs": epochs, "schedule": "constant", "warmup": 0.0}
        return dict(objdisc.fit(method, images, run=folder, **settings).state_dict())

    trained(1, tmp_path / "twice")
    twice, whole = trained(2, tmp_path / "twice"), trained(2, tmp_path / "whole")
    assert all(torch.equal(value, whole[name]) for name, value in twice.items())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (torch.rand(4, 3, 8, 9), "square"),
        (torch.rand(4, 8, 8), "shape"),
        (torch.rand(4, 3, 8, 8) * 9, r"\[0, 1\]"),
        (torch.zeros(4, 3, 8, 8, dtype=torch.int64), "uint8"),
        (torch.zeros(0, 3, 8, 8), "shape"),
    ],
)
def test_images_of_another_form_are_refused_in_one_line(wrong: torch.Tensor, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        objdisc.predict(objdisc.methods.SimCLR(small_encoder(), num_clusters=2), wrong)


def test_an_unknown_setting_is_named(images: torch.Tensor) -> None:
    with pytest.raises(UsageError, match="epoch_count"):
        objdisc.fit(objdisc.methods.SimCLR(small_encoder(), num_clusters=2), images, epoch_count=3)


def test_losses_and_clustering_are_at_hand() -> None:
    probabilities = torch.softmax(torch.randn(8, 4), dim=1)
    assert objdisc.losses.IIDLoss()(probabilities, probabilities).ndim == 0
    features = np.random.default_rng(0).normal(size=(60, 3)) + 20 * np.arange(3)[np.arange(60) % 3, None]
    labels = objdisc.clustering.GraphDegreeLinkage(3).fit_predict(features.astype(np.float32))
    assert objdisc.metrics.clustering_accuracy(np.arange(60) % 3, labels) == 1.0


def test_every_method_is_found_by_its_class_name() -> None:
    assert {"IIC", "JULE", "SCAN", "DeepCluster", "KMeansMemory"} <= set(dir(objdisc.methods))
    assert objdisc.methods.JULE.__module__ == "objdisc.methods.jule"
    with pytest.raises(AttributeError, match="there are"):
        _ = objdisc.methods.Nothing


def test_import_waits_for_no_torch() -> None:
    program = "import objdisc, sys; dir(objdisc); print(sorted({'torch', 'sklearn', 'cv2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_predictor_leaves_the_process_as_it_was(images: torch.Tensor) -> None:
    program = """
import torch, objdisc
from accelerate.state import AcceleratorState, PartialState
method = objdisc.methods.SimCLR(objdisc.encoder("resnet18_3x3:8,2", weights="none"), num_clusters=2)
before = torch.get_rng_state(), torch.get_num_threads()
objdisc.predict(method, torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)), device="cpu")
print(torch.equal(before[0], torch.get_rng_state()), before[1] == torch.get_num_threads())
print(AcceleratorState._shared_state, PartialState._shared_state)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n{} {}\n"


def test_a_script_without_main_guard_works(toy_city: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "print('begun', flush=True)\n"
        "import objdisc\n"
        f"run = objdisc.discover({str(toy_city)!r}, num_clusters=4, weights='none', device='cpu', epochs=1,\n"
        "    encoder='resnet18_3x3:8,2', patches={'size': 32}, batch_size=32, workers=2, output_dir='run')\n"
        "print(len(run.clusters))\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=240, check=True
    )
    assert done.stdout == "begun\n4\n"


@pytest.mark.parametrize("name", dir(objdisc.methods))
def test_no_method_takes_fewer_than_two_clusters(name: str) -> None:
    method = getattr(objdisc.methods, name)
    for few in (1, 0):
        with pytest.raises(UsageError, match=f"^num_clusters {few}: at least 2 are needed$"):
            method(small_encoder(), num_clusters=few)


def test_a_word_that_an_argument_does_not_take_is_refused_from_python_too() -> None:
    words: list[Any] = ["foo"]
    with pytest.raises(UsageError, match="Classical: algorithm is 'foo'; expected one of 'kmeans', 'spectral'"):
        objdisc.methods.Classical(small_encoder(), 8, algorithm=words[0])
