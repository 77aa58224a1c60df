"""Searching a finished run: what it prints and writes, and what it says to queries that make no sense."""

import csv
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from objdisc.cli import main
from objdisc.io.run import Run
from objdisc.pipeline.loading import open_results
from objdisc.retrieval import Centers


def retrieve(*argv: str | Path) -> int:
    return main(["retrieve", *map(str, argv), "--device", "cpu"])


def largest(run: Run) -> str:
    """Return the cluster that holds the most objects."""
    index, _ = open_results(run)
    return str(np.bincount(index.clusters[index.foreground]).argmax())


def read_hits(folder: Path) -> list[dict[str, str]]:
    with (folder / "hits.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def moved(small_run: Run, tmp_path: Path) -> Run:
    """Copy the run, so that a test may damage it."""
    shutil.copytree(small_run.path, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints", "overlays"))
    return Run(tmp_path / "run")


def test_a_box_around_an_object_finds_its_like(
    small_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index, store = open_results(small_run)
    row = max(np.flatnonzero(store.foreground).tolist(), key=lambda row: store.patch(row).region.area)
    patch = store.patch(row)
    query = index.image_paths[patch.sample]
    box = ",".join(map(str, patch.region.box))
    assert retrieve(small_run.path, "--query", query, "--box", box, "--top", "9", "--output-dir", tmp_path) == 0
    hits = read_hits(tmp_path)
    assert [hit["rank"] for hit in hits] == [str(rank) for rank in range(1, 10)]
    distances = [float(hit["distance"]) for hit in hits]
    assert distances == sorted(distances)
    for hit in hits:
        assert float(hit["similarity"]) == pytest.approx(1 - float(hit["distance"]) ** 2 / 2, abs=1e-5)
        found = store.patch(int(hit["row"]))
        assert store.foreground[int(hit["row"])]
        assert hit["image"] == str(index.image_paths[found.sample])
        assert tuple(int(hit[key]) for key in ("x", "y", "width", "height")) == found.region.box
        assert int(hit["cluster"]) == index.clusters[int(hit["row"])]
    out = capsys.readouterr().out
    assert f"query: {query.name} box {box}" in out
    table = [line for line in out.splitlines() if line.strip() and line.split()[0].isdigit()]
    assert len(table) == 9
    assert all(line.endswith(hit["image"]) for line, hit in zip(table, hits, strict=True))
    assert cv2.imread(str(tmp_path / "sheet.jpg")) is not None
    frames = {hit["image"] for hit in hits}
    assert len(list((tmp_path / "overlays").glob("*.jpg"))) == len(frames)


def test_a_cluster_comes_nearest_to_its_center_first(small_run: Run, tmp_path: Path) -> None:
    index, _ = open_results(small_run)
    centers = Centers.read(small_run.centers)
    assert centers is not None
    cluster = int(largest(small_run))
    members = np.flatnonzero(index.foreground & (index.clusters == cluster))
    center = centers.centers[cluster] / np.linalg.norm(centers.centers[cluster])
    expected = members[np.argsort(np.linalg.norm(index.embeddings[members] - center, axis=1), kind="stable")]
    assert retrieve(small_run.path, "--cluster", largest(small_run), "--top", "1000", "--output-dir", tmp_path) == 0
    assert [int(hit["row"]) for hit in read_hits(tmp_path)] == expected.tolist()


def test_any_image_may_be_the_query_and_the_run_keeps_the_result(moved: Run, tmp_path: Path) -> None:
    image = tmp_path / "fremdes Bild.jpg"
    cv2.imwrite(str(image), np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8))
    assert retrieve(moved.path, "--query", image, "--overlays", "0") == 0
    folder = moved.retrieval / "query_fremdes Bild"
    assert len(read_hits(folder)) == 20
    assert not (folder / "overlays").exists()


def test_a_moved_folder_is_named_and_may_be_given(
    moved: Run, toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = moved.index / "index.json"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace(str(toy_city), "/nowhere"), encoding="utf-8")
    assert retrieve(moved.path, "--cluster", largest(moved), "--output-dir", tmp_path / "a") == 0
    err = capsys.readouterr().err
    assert "have moved or changed" in err
    assert "/nowhere/leftImg8bit/val/" in err
    assert (tmp_path / "a/sheet.jpg").is_file()
    assert retrieve(moved.path, toy_city, "--cluster", largest(moved), "--output-dir", tmp_path / "b") == 0
    assert "have moved or changed" not in capsys.readouterr().err
    assert list((tmp_path / "b/overlays").glob("*.jpg"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "search by --query IMAGE or by --cluster K: neither is given"),
        (["--query", "IMAGE", "--cluster", "1"], "search by --query IMAGE or by --cluster K: both are given"),
        (["--cluster", "1", "--box", "1,2,3,4"], "--box is a part of --query IMAGE"),
        (["--cluster", "1", "--top", "0"], "--top 0"),
        (["--cluster", "4"], "there is no cluster 4; this run's go from 0 to 3"),
        (["--cluster", "-1"], "there is no cluster -1"),
        (["--query", "IMAGE", "--box", "250,100,50,50"], "not inside the image, which is 256 x 128 pixels"),
        (["--query", "IMAGE", "--box", "1,2,3"], "box"),
        (["--query", "BROKEN"], "broken.png: cannot be decoded"),
        (["--query", "MISSING"], "missing.png: no such file"),
    ],
)
def test_questions_that_make_no_sense_get_one_clear_line(
    small_run: Run,
    toy_city: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    files = {
        "IMAGE": next(toy_city.rglob("*_leftImg8bit.png")),
        "BROKEN": tmp_path / "broken.png",
        "MISSING": tmp_path / "missing.png",
    }
    words = [str(files.get(word, word)) for word in arguments]
    assert retrieve(small_run.path, *words, "--output-dir", tmp_path / "found") == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert len(errors) == 1
    assert message in errors[0]


def test_a_run_without_index_or_patches_says_how_to_make_them(moved: Run, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(moved.patches)
    assert retrieve(moved.path, "--cluster", "0") == 2
    assert f"objdisc discover --resume {moved.path}" in capsys.readouterr().err
    shutil.rmtree(moved.index)
    assert retrieve(moved.path, "--cluster", "0") == 2
    assert f"the run has no usable index (missing); make it again with: objdisc discover --resume {moved.path}" in (
        capsys.readouterr().err
    )


def test_an_index_of_other_weights_is_refused(moved: Run, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = moved.index / "index.json"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace('"weights": "', '"weights": "0'), encoding="utf-8")
    assert retrieve(moved.path, "--cluster", "0") == 2
    assert "from other weights" in capsys.readouterr().err
