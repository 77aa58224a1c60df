"""Annotations of a folder: found, read once, matched, and told by reasons; regions know no class."""

import json
import pickle
import sqlite3
from pathlib import Path
from typing import Any

import cv2
import ijson
import numpy as np
import pytest

from objdisc.annotations import index
from objdisc.annotations.annotations import Annotations
from objdisc.annotations.labelme import Labelme
from objdisc.annotations.report import in_one_line, notes_of
from objdisc.annotations.search import files_at, files_beside, format_of
from objdisc.datasets import FileOptions, open_dataset
from objdisc.errors import UsageError
from objdisc.imaging.masks import decode_mask

from ..support.annotated import photos, write_coco, write_sam

SIZE = {"width": 30, "height": 20}
SQUARE = [[2, 2, 9, 2, 9, 9, 2, 9]]


def write(folder: Path, whole: Any, *names: str) -> Path:
    """Write annotations beside black photos of 30x20 pixels."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / name), np.zeros((20, 30, 3), np.uint8))
    path = folder / "notes.json"
    path.write_text(whole if isinstance(whole, str) else json.dumps(whole), encoding="utf-8")
    return path


def opened(folder: Path, annotations: Path | None = None) -> Annotations:
    (found,) = open_dataset(folder, "", files=FileOptions(annotations=annotations)).annotations
    return found


def coco(*annotations: dict[str, Any], names: tuple[str, ...] = ("a.png",), **more: Any) -> dict[str, Any]:
    images = [{"id": number, "file_name": name, **SIZE} for number, name in enumerate(names)]
    listed = [{"id": number, "image_id": 0, "category_id": 1, **each} for number, each in enumerate(annotations)]
    return {"images": images, "annotations": listed, "categories": [{"id": 1, "name": "thing"}], **more}


def test_masks_come_back_as_they_were_in_raster_order(toy_city: Path, tmp_path: Path) -> None:
    scenes = photos(toy_city, tmp_path / "photos")
    write_sam(tmp_path / "photos", scenes)
    found = opened(tmp_path / "photos")
    for scene in scenes:
        regions = found.regions(scene.path.stem, scene.size)
        assert regions is not None
        masks = [decode_mask(region.mask) for region in regions if region.mask is not None]
        order = np.argsort([int(mask.ravel().argmax()) for mask in scene.masks])
        assert len(masks) == len(scene.masks)
        for row, mask, region in zip(order, masks, regions, strict=True):
            np.testing.assert_array_equal(mask, scene.masks[row])
            assert region.source_id == str(500 + row)
            assert region.score == pytest.approx(0.95 * 0.97)


def test_classes_are_by_source_id_and_in_tables_of_their_own(toy_city: Path, tmp_path: Path) -> None:
    scenes = photos(toy_city, tmp_path)
    write_coco(tmp_path / "notes.json", scenes)
    found, number = opened(tmp_path), 100
    for scene in scenes:
        expected = {str(number + row): label for row, label in enumerate(scene.labels)}
        number += len(scene.labels)
        names = {"24": "person", "26": "car", "33": "bicycle"}
        said = found.classes(scene.path.stem)
        assert said.keys() == expected.keys()
        assert all(said[key] == names.get(str(label), said[key]) for key, label in expected.items())
    with sqlite3.connect(found.index) as database:
        text = " ".join(map(str, database.execute("SELECT * FROM objects").fetchall()))
    assert "car" not in text


def test_other_classes_leave_the_hash_of_the_regions_as_it_is(toy_city: Path, tmp_path: Path) -> None:
    contents = set()
    for name, classes in (("with", True), ("without", False)):
        scenes = photos(toy_city, tmp_path / name)
        write_coco(tmp_path / name / "notes.json", scenes, classes=classes)
        contents.add(opened(tmp_path / name).facts["content"])
    assert len(contents) == 1
    write_coco(tmp_path / "with" / "notes.json", scenes[1:])
    assert opened(tmp_path / "with").facts["content"] not in contents


def test_an_index_is_built_once_and_anew_when_a_file_changes(tmp_path: Path, own_cache: Path) -> None:
    path = write(tmp_path, coco({"segmentation": SQUARE}), "a.png")
    first = opened(tmp_path).index
    before = first.stat().st_mtime_ns
    assert opened(tmp_path).index.stat().st_mtime_ns == before
    path.write_text(json.dumps(coco({"segmentation": SQUARE}, {"bbox": [1, 1, 4, 4]})), encoding="utf-8")
    assert opened(tmp_path).index != first
    assert opened(tmp_path).count() == 2
    assert not list(own_cache.glob(".*.tmp"))


def test_annotations_travel_without_samples(tmp_path: Path) -> None:
    write(tmp_path, coco({"segmentation": SQUARE}), "a.png")
    found = opened(tmp_path)
    copy = pickle.loads(pickle.dumps(found))
    assert copy.regions("a", (20, 30)) == found.regions("a", (20, 30))
    assert len(pickle.dumps(found)) < 3000


def test_a_size_that_is_not_the_image_s_is_an_error_of_the_image(tmp_path: Path) -> None:
    write(tmp_path, coco({"segmentation": SQUARE}), "a.png")
    with pytest.raises(ValueError, match="30x20 pixels, the image has 40x20"):
        opened(tmp_path).regions("a", (20, 40))


def test_an_image_that_is_listed_has_no_object_one_that_is_not_is_unknown(tmp_path: Path) -> None:
    write(tmp_path, coco({"segmentation": SQUARE}, names=("a.png", "b.png")), "a.png", "b.png", "c.png")
    found = opened(tmp_path)
    assert found.regions("b", (20, 30)) == []
    assert found.regions("c", (20, 30)) is None


def test_bad_objects_are_left_out_one_by_one_and_counted(tmp_path: Path) -> None:
    runs = {"size": [20, 31], "counts": [620]}
    whole = coco(
        {"segmentation": SQUARE},
        {"segmentation": SQUARE},
        {"bbox": [1, 1, 0, 5]},
        {"segmentation": [[1, 1, 2, 2]]},
        {"segmentation": runs},
        {"image_id": 9, "bbox": [1, 1, 5, 5]},
        {"bbox": [25, 15, 20, 20]},
        {"iscrowd": 1, "segmentation": {"size": [20, 30], "counts": [600]}},
        {"id": 0, "bbox": [4, 4, 5, 5]},
        {},
        names=("a.png", "gone.png"),
        categories=[{"id": 1, "name": "thing"}, {"id": 1, "name": "other"}],
    )
    write(tmp_path, json.dumps(whole).replace("[1, 1, 0, 5]", "[1, NaN, 3, 5]"), "a.png", "b.png")
    found = opened(tmp_path)
    regions = found.regions("a", (20, 30))
    assert regions is not None
    assert [region.source_id for region in regions] == ["0", "6"]
    samples = open_dataset(tmp_path, "").samples
    counted = {reason: (count, example) for reason, count, example in notes_of(found, samples)}
    assert {reason: count for reason, (count, _) in counted.items()} == {
        "a category id that repeats (the first name is taken)": 1,
        "a coordinate is missing or no number (left out)": 1,
        "a crowd, whose objects are not separated (left out)": 1,
        "a polygon of fewer than three points (left out)": 1,
        "an annotation without mask and box (left out)": 1,
        "an id that its image has already (left out)": 1,
        "annotated images that are missing (left out)": 1,
        "images without annotations (left out)": 1,
        "of an image that its file does not list (left out)": 1,
        "reaches over its image's border (cut off there)": 1,
        "run lengths of another size than the image (left out)": 1,
        "the same mask or box twice in an image (taken once)": 1,
    }
    assert counted["images without annotations (left out)"][1] == "b"
    assert found.same_places("a") == {"1": "0"}
    assert found.classes("a")["1"] == "thing"
    assert "12 times" in in_one_line(("bad", 12, "x"))


@pytest.mark.parametrize(
    "whole", ['{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"bbox"', '{"images": [']
)
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, whole: str) -> None:
    path = write(tmp_path, whole, "a.png")
    with pytest.raises(UsageError, match=r"notes\.json"):
        _ = [each.index for each in open_dataset(tmp_path, "", files=FileOptions(annotations=path)).annotations]


def test_of_many_files_a_broken_one_is_left_out(toy_city: Path, tmp_path: Path) -> None:
    scenes = photos(toy_city, tmp_path)
    write_sam(tmp_path, scenes)
    scenes[7].path.with_suffix(".json").write_text('[{"segmentation": ', encoding="utf-8")
    found = opened(tmp_path)
    assert [reason for reason, _, _ in found.problems()] == ["a file that cannot be read (left out)"]
    assert found.regions(scenes[8].path.stem, scenes[8].size)


def test_bare_results_are_matched_by_names_and_numbers(tmp_path: Path) -> None:
    result = {"category_id": 1, "bbox": [2, 2, 5, 5], "score": 0.5}
    write(tmp_path, [{"image_id": 42, **result}, {"image_id": "b.png", **result}], "000042.png", "b.png")
    found = opened(tmp_path)
    for name, source_id in (("000042", "0"), ("b", "1")):
        regions = found.regions(name, (20, 30))
        assert regions is not None
        assert [(region.box, region.score, region.source_id) for region in regions] == [((2, 2, 5, 5), 0.5, source_id)]


def test_files_of_other_kinds_are_no_annotations(tmp_path: Path) -> None:
    captions = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"image_id": 1, "caption": "a dog"}]}
    for whole in (captions, {"some": "settings"}, [1, 2, 3], [], {}, "no json"):
        write(tmp_path, whole, "a.png")
        assert format_of(tmp_path / "notes.json") is None
        assert files_beside(tmp_path) == ()
        with pytest.raises(UsageError, match="no annotations of a known format; looked for COCO JSON"):
            files_at(tmp_path)
    with pytest.raises(UsageError, match="no such file"):
        files_at(tmp_path / "nothing")


def test_files_beside_a_folder_of_images_are_found(toy_city: Path, tmp_path: Path) -> None:
    scenes = photos(toy_city, tmp_path / "images")
    write_coco(tmp_path / "annotations" / "instances.json", scenes)
    assert [str(each.format.name) for each in files_beside(tmp_path / "images")] == ["coco"]
    assert opened(tmp_path / "images").covers_any


def test_keypoints_beside_instances_are_not_taken(toy_city: Path, tmp_path: Path) -> None:
    scenes = photos(toy_city, tmp_path)
    for name in ("instances_a.json", "person_keypoints_a.json"):
        write_coco(tmp_path / "annotations" / name, scenes)
    (found,) = files_beside(tmp_path)
    assert [path.name for path in found.paths] == ["instances_a.json"]


def test_the_cache_holds_indexes_alone(tmp_path: Path) -> None:
    write(tmp_path, coco({"segmentation": SQUARE}), "a.png")
    assert opened(tmp_path).index.parent == index.CACHE


def test_a_file_is_parsed_once_for_all_formats_and_not_at_all_without_a_word_of_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = []

    def parse(file: Any, **options: Any) -> Any:
        parsed.append(file)
        return ijson_parse(file, **options)

    ijson_parse = ijson.parse
    monkeypatch.setattr(ijson, "parse", parse)
    polygons = {"imgHeight": 8, "imgWidth": 8, "objects": [{"label": "car", "polygon": [[0, 0], [4, 0], [4, 4]]}]}
    (tmp_path / "city_polygons.json").write_text(json.dumps(polygons), encoding="utf-8")
    assert format_of(tmp_path / "city_polygons.json") is None
    assert parsed == []
    other = tmp_path / "shapes.json"
    other.write_text(json.dumps({"shapes": [], "imagePath": "a.png"}), encoding="utf-8")
    assert [format_of(other) for _ in range(3)] == [Labelme] * 3
    assert len(parsed) == 1
    other.write_text(json.dumps({"shape": "round", "image": "a.png"}), encoding="utf-8")
    assert format_of(other) is None, "a changed file is looked into again"
