"""Scenes beside objects: made where nobody says where objects are, kept, published, drawn below the objects."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from objdisc.cli import main
from objdisc.imaging.decode import read_index_map
from objdisc.io.run import Run
from objdisc.patches import store
from objdisc.patches.shards import CutJob
from objdisc.patches.store import PatchStore

from ..support.runs import state

SCENE = ["--scene-size", "64", "--scene.points", "2000", "--scene.overclusters", "12", "--scene.stride", "4"]
QUICK = ["--encoder", "resnet18_3x3:8,2", "--weights", "none", "--patches.size", "32", "--epochs", "1"]
QUICK += ["--batch-size", "16", "--workers", "0", "--device", "cpu", "--overlays", "2"]


@pytest.fixture(scope="module")
def photos(toy_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight photos without masks, of two sizes, and one file that is no image."""
    folder = tmp_path_factory.mktemp("photos")
    for number, path in enumerate(sorted(toy_city.rglob("*_leftImg8bit.png"))[:8]):
        image = cv2.imread(str(path))
        assert image is not None
        cv2.imwrite(str(folder / f"{number}.png"), image if number else image[:, :100])
    (folder / "broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "photos"
    more = ["--num-clusters", "3", "--num-scene-clusters", "4", "--output-dir", str(folder)]
    assert main(["discover", str(photos), *QUICK, *SCENE, *more]) == 0
    return Run.open(folder)


def test_photos_are_looked_through_by_trees(run: Run) -> None:
    assert json.loads(run.metrics.read_text(encoding="utf-8"))["objectness"]["source"] == "tree"


def test_photos_get_a_scene_of_every_pixel_beside_the_objects(run: Run, photos: Path) -> None:
    names = [path.stem for path in sorted(photos.glob("[0-9].png"))]
    assert [path.name for path in sorted(run.maps("sceneIds").iterdir())] == [f"{name}_sceneIds.png" for name in names]
    for name in names:
        scene = cv2.imread(str(run.maps("sceneIds") / f"{name}_sceneIds.png"), cv2.IMREAD_UNCHANGED)
        photo = cv2.imread(str(photos / f"{name}.png"))
        assert scene is not None
        assert photo is not None
        assert scene.shape == photo.shape[:2]
        assert scene.max() < 4
        assert (run.cluster_ids / f"{name}_clusterIds.png").is_file()
    assert len(list(run.overlays.iterdir())) == 2


def test_a_scene_is_what_the_method_alone_gives(run: Run, photos: Path, tmp_path: Path) -> None:
    arguments = [flag.replace("--scene.", "--method.").replace("--scene-size", "--patches.size") for flag in SCENE]
    words = [str(photos), *QUICK, "--method", "scene", *arguments, "--num-clusters", "4"]
    # the last value of a flag that is given twice counts
    assert main(["discover", *words, "--output-dir", str(tmp_path / "alone")]) == 0
    alone = Run(tmp_path / "alone")
    assert not alone.cluster_ids.exists()
    for path in run.maps("sceneIds").iterdir():
        assert path.read_bytes() == (alone.maps("sceneIds") / path.name).read_bytes()


def test_a_finished_run_is_left_alone_and_one_without_its_scene_gets_it_again(
    run: Run, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Run(tmp_path / "copy")
    shutil.copytree(run.path, copy.path)
    before = state(copy.path)
    assert main(["discover", "--resume", str(copy.path)]) == 0
    assert state(copy.path) == before
    assert "nothing to do" in capsys.readouterr().out
    copy.scene.metrics.unlink()
    shutil.rmtree(copy.scene.maps("sceneIds"))
    assert main(["discover", "--resume", str(copy.path)]) == 0
    scenes = {name: value for name, value in before.items() if "sceneIds" in name}
    assert {name: value for name, value in state(copy.path).items() if "sceneIds" in name} == scenes


def test_metrics_tell_the_scenes_facts_apart_from_the_objects(run: Run) -> None:
    numbers = json.loads(run.metrics.read_text(encoding="utf-8"))
    assert numbers["method"] == "kmeans_memory"
    assert numbers["scene"]["method"] == "scene"


def test_every_file_of_the_scene_is_the_runs_own(run: Run) -> None:
    own = set(run.files())
    there = {str(path.relative_to(run.path)) for path in run.scene.path.rglob("*") if path.is_file()}
    assert there - own == set()


def test_segment_maps_the_scenes_of_other_images_as_the_run_did(run: Run, photos: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    for name in ("1", "2"):
        shutil.copy(photos / f"{name}.png", new / f"again_{name}.png")
    words = ["segment", str(run.path), str(new), "--device", "cpu", "--output-dir", str(tmp_path / "maps")]
    assert main(words) == 0
    for name in ("1", "2"):
        again = tmp_path / "maps" / "sceneIds" / f"again_{name}_sceneIds.png"
        assert again.read_bytes() == (run.maps("sceneIds") / f"{name}_sceneIds.png").read_bytes()


def test_the_scene_of_a_foreign_run_runs_no_code_that_was_not_allowed(
    run: Run, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Run(tmp_path / "copy")
    shutil.copytree(run.path, copy.path)
    (tmp_path / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n")
    config = copy.scene.config.read_text(encoding="utf-8")
    copy.scene.config.write_text(config.replace("objdisc.methods.scene.Scene", "trap.Scene"), encoding="utf-8")
    words = ["segment", str(copy.path), str(photos), "--device", "cpu", "--output-dir", str(tmp_path / "maps")]
    assert main(words) == 2
    assert "add --allow-import" in capsys.readouterr().err
    assert not (tmp_path / "sprung").exists()


def test_masks_or_none_leave_the_scene_out_and_naming_it_brings_it_in(
    toy_city: Path, photos: Path, tmp_path: Path
) -> None:
    few = ["--num-clusters", "3", "--overlays", "0"]
    assert main(["discover", str(toy_city), *QUICK, *few, "--output-dir", str(tmp_path / "masks")]) == 0
    assert not Run(tmp_path / "masks").scene.path.exists()
    assert main(["discover", str(photos), *QUICK, *few, "--scene", "none", "--output-dir", str(tmp_path / "none")]) == 0
    assert not Run(tmp_path / "none").scene.path.exists()
    assert main(["discover", str(toy_city), *QUICK, *few, *SCENE, "--output-dir", str(tmp_path / "both")]) == 0
    scenes = list(Run(tmp_path / "both").maps("sceneIds").rglob("*_sceneIds.png"))
    assert len(scenes) == len(list((toy_city / "leftImg8bit" / "val").rglob("*.png")))
    numbers = json.loads(Run(tmp_path / "both").metrics.read_text(encoding="utf-8"))
    assert 0 < numbers["scene"]["accuracy_hungarian"] <= 1


def test_what_predicts_no_pixels_is_no_scene(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(photos), *QUICK, "--scene", "iic", "--output-dir", str(tmp_path / "run")]
    assert main(["discover", *words]) == 2
    assert "--scene iic: predicts no single pixels; give scene, or none." in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_union_looks_in_scenes_and_by_trees_in_the_run_and_in_other_folders(photos: Path, tmp_path: Path) -> None:
    more = ["--num-clusters", "3", "--num-scene-clusters", "4", "--output-dir", str(tmp_path / "run")]
    assert main(["discover", str(photos), *QUICK, *SCENE, *more, "--objectness", "union"]) == 0
    run = Run(tmp_path / "run")
    assert (run.scene.things).is_file()
    # what is a thing, and so which regions there are, depends on no other image of the folder
    found = {}
    for names in (["3"], ["2", "3"]):
        folder = tmp_path / "".join(names)
        folder.mkdir()
        for name in names:
            shutil.copy(photos / f"{name}.png", folder / f"{name}.png")
        words = ["segment", str(run.path), str(folder), "--device", "cpu", "--overlays", "0", "--no-unknown"]
        assert main([*words, "--output-dir", str(tmp_path / "maps")]) == 0
        found[len(names)] = _regions(tmp_path / "maps")
        shutil.rmtree(tmp_path / "maps")
    assert found[1] == [row for row in found[2] if row[0] == "3"]
    assert set(found[2]) <= set(_regions(run.path))


def test_objects_are_parts_of_scenes_that_the_run_divides_first(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    more = ["--num-clusters", "2", "--num-scene-clusters", "8", "--output-dir", str(folder), "--patches.min-area", "20"]
    words = ["discover", str(photos), *QUICK, *SCENE, *more, "--objectness", "segments"]
    assert main(words) == 0
    run = Run.open(folder)
    assert len(list(run.maps("sceneIds").iterdir())) == 8
    assert (run.scene.path / "config.yaml").is_file()
    cuts: list[Path] = []
    cut = store._cut

    def counted(job: CutJob, place: Path, *rest: Any, **settings: Any) -> PatchStore:
        cuts.append(place)
        return cut(job, place, *rest, **settings)

    monkeypatch.setattr(store, "_cut", counted)
    assert main([*words, "--overwrite"]) == 0
    assert len(cuts) == 2, "crops of the scenes, and the objects, once each"
    patches = state(folder / "patches")
    capsys.readouterr()
    assert main(words) == 0
    assert "nothing to do" in capsys.readouterr().out
    shutil.move(folder, tmp_path / "moved")
    assert main(["discover", "--resume", str(tmp_path / "moved")]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert state(tmp_path / "moved" / "patches") == patches
    assert len(cuts) == 2
    words = ["segment", str(tmp_path / "moved"), str(photos), "--objectness", "segments"]
    assert main([*words, "--output-dir", str(tmp_path / "x")]) == 0
    assert len(list(Run(tmp_path / "x").cluster_ids.iterdir())) == 8
    assert main(["discover", str(photos), *QUICK, "--objectness", "segments", "--scene", "none"]) == 2


def test_the_report_shows_the_scene_and_what_is_named_there_is_exported_and_kept(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    page = run.report.read_text(encoding="utf-8")
    assert "The scene: what covers the images" in page
    maps = [read_index_map(path) for path in sorted(run.maps("sceneIds").iterdir())]
    counts = np.sum([np.bincount(found.ravel(), minlength=4) for found in maps], axis=0)
    for cluster, share in enumerate(counts / counts.sum()):
        assert f'id="scene-{cluster}"' in page
        assert f"{100 * share:.1f}% of the pixels" in page
    identity = page.split('"run": "')[1].split('"')[0]
    scene = [{"cluster": 0, "name": "Sky"}, {"cluster": 2, "name": "Sky"}, {"cluster": 3, "name": ""}]
    file = tmp_path / "names.json"
    header = {"format": "objdisc-names", "version": 2, "run": identity, "num_clusters": 3, "clusters": []}
    file.write_text(json.dumps({**header, "scene": scene}), encoding="utf-8")
    words = ["--names", str(file), "--output-dir"]
    assert main(["export", str(run.path), "--format", "png,cityscapes", *words, str(tmp_path / "export")]) == 0
    legend = json.loads((tmp_path / "export/png/scene_categories.json").read_text(encoding="utf-8"))
    assert [(entry["name"], entry["clusters"]) for entry in legend["categories"]] == [
        ("Sky", [0, 2]),
        ("scene_1", [1]),
        ("scene_3", [3]),
    ]
    expected = np.array([1, 2, 1, 3])
    for path, ids in zip(sorted(run.maps("sceneIds").iterdir()), maps, strict=True):
        name = path.name.removesuffix("_sceneIds.png")
        assert np.array_equal(read_index_map(tmp_path / f"export/png/scene/{name}.png"), expected[ids])
        labels = read_index_map(tmp_path / f"export/cityscapes/labelIds/{name}_labelIds.png")
        assert np.array_equal(labels, np.where(np.isin(ids, (0, 2)), 23, 0))  # 23 is sky; no object has a class
    assert main(["segment", str(run.path), str(photos), *words, str(tmp_path / "segment"), "--device", "cpu"]) == 0
    lines = (tmp_path / "segment/scene_legend.csv").read_text(encoding="utf-8").splitlines()
    assert lines == ["value,name", "0,Sky", "1,", "2,Sky", "3,"]


def test_a_name_for_a_scene_that_there_is_not(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    identity = run.report.read_text(encoding="utf-8").split('"run": "')[1].split('"')[0]
    file = tmp_path / "names.json"
    header = {"format": "objdisc-names", "version": 2, "run": identity, "num_clusters": 3, "clusters": []}
    file.write_text(json.dumps({**header, "scene": [{"cluster": 4, "name": "sky"}]}), encoding="utf-8")
    words = ["--names", str(file), "--output-dir", str(tmp_path / "export")]
    assert main(["export", str(run.path), "--format", "png", *words]) == 2
    assert "scene[0].cluster: there is no cluster 4; they run from 0 to 3" in capsys.readouterr().err


def _regions(folder: Path) -> list[tuple[str, ...]]:
    with (folder / "clusters.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [tuple(row[key] for key in ("sample", "x", "y", "width", "height", "area")) for row in rows]
