"""COCO files as pycocotools reads them; the masks are compared with instanceIds, opened with Pillow."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from objdisc.datasets import open_dataset
from objdisc.export.coco import INSTANCES, RESULTS, write_coco
from objdisc.export.objects import NamedObjects
from objdisc.naming.categories import Names
from objdisc.objectness.windows import Windows
from objdisc.patches.store import PatchStore
from objdisc.patches.windows import PatchOptions

MakeObjects = Callable[..., NamedObjects]
NAMES = Names.of([('a "quoted" <script>', (1, 2, 3)), ("Straße 東京", (4, 5, 6)), None, ("Straße 東京", (7, 8, 9))])


def instance_ids(root: Path, image: str) -> NDArray[np.int32]:
    path = image.replace("leftImg8bit", "gtFine", 1).replace("leftImg8bit", "gtFine_instanceIds")
    return np.array(Image.open(root / path), np.int32)


@pytest.fixture(scope="module")
def written(make_objects: MakeObjects, tmp_path_factory: pytest.TempPathFactory) -> tuple[NamedObjects, Path]:
    named = make_objects(names=NAMES)
    return named, write_coco(tmp_path_factory.mktemp("ex port") / "coco", named, {"description": "test"})


def test_masks_are_the_objects_of_the_images(written: tuple[NamedObjects, Path], toy_city: Path) -> None:
    named, folder = written
    coco = COCO(str(folder / INSTANCES))
    assert len(coco.anns) == len(named.object_rows) > 0
    for image in coco.loadImgs(coco.getImgIds()):
        path = toy_city / image["file_name"]
        assert Image.open(path).size == (image["width"], image["height"])
        ids = instance_ids(toy_city, image["file_name"])
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=image["id"])):
            mask = coco.annToMask(annotation).astype(bool)
            inside = np.unique(ids[mask])
            assert len(inside) == 1
            np.testing.assert_array_equal(mask, ids == inside[0])
            ys, xs = np.nonzero(mask)
            x, y, width, height = annotation["bbox"]
            assert (x, y, x + width, y + height) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            assert annotation["area"] == mask.sum()


def test_categories_hold_names_colors_and_clusters(written: tuple[NamedObjects, Path]) -> None:
    named, folder = written
    coco = COCO(str(folder / INSTANCES))
    first, second = coco.loadCats(coco.getCatIds())
    assert (first["id"], first["name"], first["color"], first["clusters"]) == (1, 'a "quoted" <script>', [1, 2, 3], [0])
    assert (second["id"], second["name"], second["color"], second["clusters"]) == (2, "Straße 東京", [4, 5, 6], [1, 3])
    for annotation in coco.anns.values():
        assert annotation["category_id"] == named.categories[annotation["patch"]]


def test_results_fit_the_instances_in_the_official_evaluation(written: tuple[NamedObjects, Path]) -> None:
    _, folder = written
    coco = COCO(str(folder / INSTANCES))
    results = coco.loadRes(str(folder / RESULTS))
    assert [a["area"] for a in results.anns.values()] == [a["area"] for a in coco.anns.values()]
    evaluation = COCOeval(coco, results, "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)


def test_scores_are_between_0_and_1(written: tuple[NamedObjects, Path]) -> None:
    for result in json.loads((written[1] / RESULTS).read_text(encoding="utf-8")):
        assert 0 < result["score"] <= 1
        assert set(result) == {"image_id", "category_id", "segmentation", "score"}


def test_nothing_in_any_category_gives_files_that_load(make_objects: MakeObjects, tmp_path: Path) -> None:
    folder = write_coco(tmp_path, make_objects(names=Names.of([None] * 4)), {})
    coco = COCO(str(folder / INSTANCES))
    assert (len(coco.imgs), len(coco.anns), len(coco.cats)) == (6, 0, 0)
    assert json.loads((folder / RESULTS).read_text(encoding="utf-8")) == []


def test_a_region_without_a_mask_is_its_box(make_objects: MakeObjects, toy_city: Path, tmp_path: Path) -> None:
    dataset = open_dataset(toy_city, "val")
    store = PatchStore.build(dataset, Windows(), PatchOptions(size=16), tmp_path / "patches", workers=0)
    folder = write_coco(tmp_path, make_objects(store=store, dataset=dataset), {})
    coco = COCO(str(folder / INSTANCES))
    assert coco.anns
    for annotation in coco.anns.values():
        x, y, width, height = annotation["bbox"]
        expected = np.zeros((128, 256), np.uint8)
        expected[y : y + height, x : x + width] = 1
        np.testing.assert_array_equal(coco.annToMask(annotation), expected)
        assert annotation["area"] == width * height == expected.sum()
