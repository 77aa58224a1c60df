"""The toy city: layout, seed, and that shape tells the classes where colour does not."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.helpers.labels import id2label
from cityscapesscripts.preparation.json2labelImg import createLabelImage
from numpy.typing import NDArray
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier

from objdisc.datasets.cityscapes import MOVING_CLASSES, Cityscapes
from objdisc.datasets.toycity import generate
from objdisc.datasets.toycity.generate import generate_toy_city, render_frame
from objdisc.errors import UsageError


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a toy city of full-size frames: 24 train, 12 val."""
    return generate_toy_city(tmp_path_factory.mktemp("city"), seed=1, num_train=24, num_val=12)


def _objects(root: Path, split: str) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64], list[int]]:
    """Collect each object's class, mean colour, silhouette (20x20 and its aspect ratio) and area in pixels."""
    dataset = Cityscapes(root, split)
    classes, colors, silhouettes, areas = [], [], [], []
    for sample in dataset.samples:
        image, instances, labels = (
            dataset.read_image(sample),
            dataset.read_instances(sample),
            dataset.read_labels(sample),
        )
        assert instances is not None
        assert labels is not None
        for number in range(1, int(instances.max()) + 1):
            mask = instances == number
            (label_id,) = np.unique(labels[mask]).tolist()
            x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
            cut = cv2.resize(
                mask[y : y + height, x : x + width].astype(np.float32), (20, 20), interpolation=cv2.INTER_AREA
            )
            classes.append(id2label[label_id].name)
            colors.append(image[mask].mean(axis=0))
            silhouettes.append(np.append(cut.ravel(), 5 * np.log(width / height)))
            areas.append(int(mask.sum()))
    return classes, np.array(colors), np.array(silhouettes), areas


def _pixels(path: Path) -> NDArray[np.integer]:
    with Image.open(path) as image:
        return np.asarray(image)


def _digest(root: Path) -> dict[str, str]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_layout_is_that_of_cityscapes(toy_city: Path) -> None:
    for split, count in (("train", 12), ("val", 6)):
        dataset = Cityscapes(toy_city, split)
        assert len(dataset.samples) == count
        for sample in dataset.samples:
            assert sample.name.startswith(f"{sample.city}/{sample.city}_000000_")
            assert dataset.read_image(sample).shape == (128, 256, 3)
            assert {path.name.rpartition("_")[2] for path in dataset.mask_paths(sample)} == {
                "labelIds.png",
                "instanceIds.png",
            }
    train, val = ({sample.city for sample in Cityscapes(toy_city, split).samples} for split in ("train", "val"))
    assert not train & val


def test_same_seed_gives_the_same_bytes_and_another_seed_another_city(tmp_path: Path) -> None:
    first, second, other = (
        generate_toy_city(tmp_path / name, seed, num_train=2, num_val=1, size=(128, 64))
        for name, seed in (("first", 5), ("second", 5), ("other", 6))
    )
    assert _digest(first) == _digest(second)
    differing = {name for name, digest in _digest(first).items() if _digest(other)[name] != digest}
    assert differing == set(_digest(first))


def test_a_frame_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    few = _digest(generate_toy_city(tmp_path / "few", num_train=1, num_val=1, size=(128, 64)))
    more = _digest(generate_toy_city(tmp_path / "more", num_train=3, num_val=2, size=(128, 64)))
    assert {name: more[name] for name in few if "gtFine" in name or "leftImg8bit" in name}.items() <= few.items()


def test_a_complete_city_is_left_as_it_is_and_another_is_replaced(tmp_path: Path) -> None:
    root = generate_toy_city(tmp_path, num_train=2, num_val=1, size=(128, 64))
    image_path = Cityscapes(root).samples[0].image_path
    written = image_path.stat().st_mtime_ns
    generate_toy_city(root, num_train=2, num_val=1, size=(128, 64))
    assert image_path.stat().st_mtime_ns == written
    generate_toy_city(root, num_train=1, num_val=1, size=(64, 64))
    assert len(Cityscapes(root).samples) == 1


def test_an_interrupted_city_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _digest(generate_toy_city(tmp_path / "whole", num_train=2, num_val=1, size=(128, 64)))
    frame = render_frame(np.random.default_rng(), (128, 64))
    with monkeypatch.context() as patch:
        patch.setattr(generate, "render_frame", Mock(side_effect=[frame, KeyboardInterrupt]))
        with pytest.raises(KeyboardInterrupt):
            generate_toy_city(tmp_path / "half", num_train=2, num_val=1, size=(128, 64))
    assert _digest(generate_toy_city(tmp_path / "half", num_train=2, num_val=1, size=(128, 64))) == whole


def test_somebody_elses_images_are_never_touched(tmp_path: Path) -> None:
    (tmp_path / "leftImg8bit").mkdir()
    with pytest.raises(UsageError, match="already exists and is not a toy city"):
        generate_toy_city(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["leftImg8bit"]


def test_classes_are_there_in_numbers_and_large_enough(city: Path) -> None:
    classes, _, _, areas = _objects(city, "train")
    counts = Counter(classes)
    assert set(counts) == set(MOVING_CLASSES)
    assert min(counts.values()) >= 5
    assert np.mean(np.array(areas) >= 400) > 0.9


def test_colour_does_not_tell_the_classes(city: Path) -> None:
    classes, colors, _, _ = _objects(city, "train")
    clusters = KMeans(len(MOVING_CLASSES), n_init=5, random_state=0).fit_predict(colors)
    assert normalized_mutual_info_score(classes, clusters) < 0.2


def test_shape_tells_the_classes(city: Path) -> None:
    train_classes, _, train_shapes, _ = _objects(city, "train")
    val_classes, _, val_shapes, _ = _objects(city, "val")
    nearest = KNeighborsClassifier(3, weights="distance").fit(train_shapes, train_classes)
    assert nearest.score(val_shapes, val_classes) > 0.75


def test_instances_and_labels_agree(city: Path) -> None:
    for path in sorted(city.glob("gtFine/val/*/*_instanceIds.png")):
        instances = _pixels(path)
        labels = _pixels(path.with_name(path.name.replace("instanceIds", "labelIds")))
        assert instances.dtype == np.uint16
        assert labels.dtype == np.uint8
        assert np.array_equal(np.where(instances >= 1000, instances // 1000, instances), labels)
        assert not (labels == 0).any()


def test_polygons_drawn_by_cityscapesscripts_give_the_label_maps(city: Path) -> None:
    agreement = []
    for path in sorted(city.glob("gtFine/val/*/*_polygons.json"))[:4]:
        annotation = Annotation()
        annotation.fromJsonFile(str(path))
        drawn = np.asarray(createLabelImage(annotation, "ids"))
        labels = _pixels(path.with_name(path.name.replace("polygons.json", "labelIds.png")))
        assert (json.loads(path.read_text())["imgWidth"], json.loads(path.read_text())["imgHeight"]) == (512, 256)
        agreement.append((drawn == labels).mean())
    assert min(agreement) > 0.96


def test_colour_maps_use_the_official_colours(city: Path) -> None:
    path = next(city.glob("gtFine/val/*/*_color.png"))
    color = _pixels(path)
    labels = _pixels(path.with_name(path.name.replace("color", "labelIds")))
    for label_id in np.unique(labels).tolist():
        assert (color[labels == label_id] == id2label[label_id].color).all()
