"""Photos that are few, flat or huge: the run works, or says in one line what is missing."""

import shutil
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.torch import save_file

from objdisc.imaging.decode import read_index_map
from objdisc.io.run import Run
from objdisc.models.encoder import build_encoder

from ..support.discoveries import SMALL, objdisc

QUICK = ["--encoder", "resnet18_3x3:8,2", "--weights", "none", "--patches.size", "32", "--epochs", "1"]
QUICK += ["--batch-size", "16", "--workers", "0", "--device", "cpu", "--overlays", "1", "--scene-size", "64"]
QUICK += ["--scene.points", "2000", "--scene.overclusters", "12"]


def photos(toy_city: Path, folder: Path, count: int) -> Path:
    folder.mkdir()
    for path in sorted(toy_city.rglob("*_leftImg8bit.png"))[:count]:
        shutil.copy(path, folder / path.name)
    return folder


def said(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    assert "Traceback" not in text
    errors = [line for line in text.splitlines() if "error: " in line]
    assert len(errors) <= 1
    return errors[0] if errors else ""


def test_one_photo_is_enough(toy_city: Path, tmp_path: Path) -> None:
    folder, run = photos(toy_city, tmp_path / "one", 1), Run(tmp_path / "run")
    assert objdisc("discover", folder, *QUICK, "--num-clusters", "3", "--output-dir", run.path) == 0
    (scene,) = run.maps("sceneIds").iterdir()
    assert read_index_map(scene).max() < 3


def test_more_clusters_than_there_are_objects(
    toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photos(toy_city, tmp_path / "few", 2)
    options = [*QUICK, "--num-object-clusters", "500", "--num-clusters", "3"]
    assert objdisc("discover", folder, *options, "--output-dir", tmp_path / "run") == 2
    assert "are too few for 500 clusters; lower --num-clusters" in said(capsys)


def test_photos_of_one_colour(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "flat").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / "flat" / f"{number}.png"), np.full((150, 200, 3), 90, np.uint8))
    options = [*QUICK, "--num-clusters", "3"]
    assert objdisc("discover", tmp_path / "flat", *options, "--output-dir", tmp_path / "run") == 2
    assert said(capsys)


def test_one_huge_panorama_among_small_photos(toy_city: Path, tmp_path: Path) -> None:
    folder, run = photos(toy_city, tmp_path / "mixed", 2), Run(tmp_path / "run")
    small = cv2.imread(str(next(folder.iterdir())))
    assert small is not None
    cv2.imwrite(str(folder / "panorama.png"), np.tile(cv2.resize(small, (400, 500)), (1, 8, 1)))
    assert objdisc("discover", folder, *QUICK, "--num-clusters", "2", "--output-dir", run.path) == 0
    assert read_index_map(run.maps("sceneIds") / "panorama_sceneIds.png").shape == (500, 3200)


def test_an_encoder_without_maps(toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photos(toy_city, tmp_path / "few", 2)
    options = [*SMALL, "--method", "scene", "--num-clusters", "2", "--output-dir"]
    words = ["googlenet" if last == "--encoder" else word for last, word in pairwise(["", *options])]
    assert objdisc("discover", folder, *words, tmp_path / "run") == 2
    assert "--encoder: this one has no" in said(capsys)


def test_weights_of_another_architecture(toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, weights = photos(toy_city, tmp_path / "few", 2), tmp_path / "weights.safetensors"
    save_file(build_encoder("resnet18", "none").body.state_dict(), weights)
    options = [*SMALL, "--encoder", "mobilenetv3_small_050", "--weights", str(weights), "--num-clusters", "2"]
    assert objdisc("discover", folder, *options, "--output-dir", tmp_path / "run") == 2
    assert str(weights) in said(capsys)


def test_a_run_whose_weights_file_is_gone(toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, weights = photos(toy_city, tmp_path / "few", 2), tmp_path / "weights.safetensors"
    save_file(build_encoder("resnet18", "none").body.state_dict(), weights)
    options = [*SMALL, "--encoder", "resnet18", "--weights", str(weights), "--num-clusters", "2"]
    assert objdisc("train", toy_city, *options, "--output-dir", tmp_path / "run") == 0
    weights.unlink()
    capsys.readouterr()
    assert objdisc("segment", tmp_path / "run", folder, "--device", "cpu", "--output-dir", tmp_path / "out") == 2
    text = said(capsys)
    assert str(weights) in text
    assert "--objectness" in text
