"""A run that grows: old ids stay, what is new follows, what vanished is said, and the result is an ordinary run."""

import csv
import json
import shutil
from pathlib import Path

import pytest

import objdisc as package
from objdisc.config.parser import load
from objdisc.io.run import Run
from objdisc.methods.classical import Classical
from objdisc.naming.categories import run_identity
from objdisc.pipeline.loading import open_results
from objdisc.pipeline.options import DiscoverOptions
from objdisc.pipeline.summary import RunSummary

from ..support.discoveries import objdisc, weights_of
from ..support.kinds import FIRST, SEEN, write_kinds
from ..support.runs import error, state


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a run of three kinds, and two folders: the same kinds, and one gone and one new; tests only read it."""
    folder = tmp_path_factory.mktemp("grow")
    write_kinds(folder / "old", ["rows", "columns", "slopes"])
    write_kinds(folder / "same", ["rows", "columns", "slopes"], seed=2)
    write_kinds(folder / "new", ["rows", "columns", "disc"], seed=1)
    assert objdisc("discover", folder / "old", *FIRST, "--output-dir", folder / "run") == 0
    return folder


@pytest.fixture(scope="module")
def grown(world: Path) -> Run:
    assert grow(world, "new", "--output-dir", world / "grown") == 0
    return Run.open(world / "grown")


def grow(world: Path, images: str, *more: str | Path, run: str = "run") -> int:
    return objdisc("discover", world / images, *SEEN, "--init-from", world / run, "--grow", *more)


def ids_by_kind(path: Path) -> dict[str, set[int]]:
    """Read which clusters hold more than one picture of each kind."""
    found: dict[str, list[int]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(Path(row["image"]).parent.name, []).append(int(row["cluster"]))
    return {kind: {cluster for cluster in clusters if clusters.count(cluster) > 1} for kind, clusters in found.items()}


def test_old_ids_stay_and_the_new_kind_gets_the_next(world: Path, grown: Run) -> None:
    before, after = ids_by_kind(Run(world / "run").clusters_csv), ids_by_kind(grown.clusters_csv)
    assert {kind: len(ids) for kind, ids in before.items()} == {"rows": 1, "columns": 1, "slopes": 1}
    assert after == {"rows": before["rows"], "columns": before["columns"], "disc": {3}}


def test_what_is_known_new_and_vanished_is_noted_and_told(world: Path, grown: Run) -> None:
    summary = RunSummary.read(grown)
    assert summary is not None
    assert summary.growth is not None
    gone = ids_by_kind(Run(world / "run").clusters_csv)["slopes"]
    assert summary.growth.new == {3: 40}
    assert set(summary.growth.vanished) == gone
    assert sum(summary.growth.known.values()) == 80
    assert summary.figures["num_clusters"] == 4
    assert summary.figures["growth"]["from"] == str(world / "run")
    page = grown.report.read_text(encoding="utf-8")
    assert "80 belong to the 3 known categories" in page
    assert "New: category 3 (40 objects)." in page
    assert f"Vanished: category {next(iter(gone))}," in page
    settings = load(DiscoverOptions, grown.config)
    assert (settings.num_clusters, settings.method.name, settings.encoder) == (4, "grown", "vgg3x3")


def test_the_grown_run_is_an_ordinary_one(world: Path, grown: Run, tmp_path: Path) -> None:
    folder = tmp_path / "grown"
    shutil.copytree(grown.path, folder)
    assert objdisc("segment", folder, world / "new", "--objectness", "whole", "--output-dir", tmp_path / "maps") == 0
    found = ids_by_kind(tmp_path / "maps" / "clusters.csv")
    assert found["disc"] == {3}
    assert objdisc("export", folder, "--format", "csv") == 0
    assert objdisc("retrieve", folder, "--cluster", "3", "--top", "5") == 0
    run = package.load_run(folder, device="cpu")
    assert len(run.clusters[3]) == 40
    assert run.metrics["growth"]["new"] == {"3": 40}


def test_the_same_command_and_resume_find_it_finished(
    world: Path, grown: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert grow(world, "new", "--output-dir", grown.path) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert objdisc("discover", "--resume", grown.path, "--workers", "0") == 0
    assert "nothing to do" in capsys.readouterr().out


def test_an_interruption_changes_nothing(
    world: Path, grown: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    for place in ("save_weights", "write_results"):  # before there are weights, and after
        monkeypatch.setattr(f"objdisc.commands.discover.{place}", interrupted)
        assert grow(world, "new", "--output-dir", tmp_path / place) == 130
        monkeypatch.undo()
        assert objdisc("discover", "--resume", tmp_path / place, "--workers", "0") == 0
        assert weights_of(tmp_path / place) == weights_of(grown.path)
        assert ids_by_kind(Run(tmp_path / place).clusters_csv)["disc"] == {3}


def test_where_nothing_is_new_no_category_is(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert grow(world, "same", "--output-dir", tmp_path / "run") == 0
    assert "No category is new." in capsys.readouterr().out
    before = ids_by_kind(Run(world / "run").clusters_csv)
    assert ids_by_kind(Run(tmp_path / "run").clusters_csv) == before


def test_a_grown_run_grows_again(world: Path, grown: Run, tmp_path: Path) -> None:
    write_kinds(tmp_path / "all", ["rows", "slopes", "disc"], seed=3)
    assert grow(tmp_path, "all", "--output-dir", tmp_path / "run", run=str(grown.path)) == 0
    before, first = ids_by_kind(Run(world / "run").clusters_csv), ids_by_kind(Run(tmp_path / "run").clusters_csv)
    assert first == {"rows": before["rows"], "slopes": before["slopes"], "disc": {3}}


def test_names_are_carried_on(world: Path, tmp_path: Path) -> None:
    run = Run(world / "run")
    head = {"format": "objdisc-names", "version": 1, "num_clusters": 3, "run": run_identity(run, open_results(run)[1])}
    names = tmp_path / "names.json"
    named = {"clusters": [{"cluster": 0, "name": "first", "color": "#112233"}], "moved": [{"patch": 0, "cluster": 1}]}
    names.write_text(json.dumps(head | named), encoding="utf-8")
    assert grow(world, "new", "--names", names, "--output-dir", tmp_path / "run") == 0
    carried = Run(tmp_path / "run").known_names
    assert json.loads(carried.read_text(encoding="utf-8"))["num_clusters"] == 4
    assert objdisc("export", tmp_path / "run", "--format", "csv", "--names", carried) == 0
    listed = (tmp_path / "run" / "export" / "objects.csv").read_text(encoding="utf-8")
    assert "first" in listed
    assert "cluster_3" in listed
    names.write_text(json.dumps(head | {"run": "another"}), encoding="utf-8")
    assert grow(world, "new", "--names", names, "--output-dir", tmp_path / "other") == 2
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--num-clusters", "12"], "--num-clusters 12 contradicts it; the 3 categories of"),
        (["--num-clusters", "auto"], "--num-clusters auto contradicts it"),
        (["--method", "scan"], "--grow: --method scan contradicts"),
        (["--encoder", "nin"], "--grow: --encoder nin contradicts"),
        (["--patches.size", "48"], "--grow: --patches.size 48 contradicts"),
        (["--scene", "scene"], "only categories of objects grow; leave --scene out"),
        (["--names", "nowhere.json"], "nowhere.json"),
    ],
)
def test_what_contradicts_the_run_is_refused(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    before = state(world / "run")
    assert grow(world, "new", *arguments, "--output-dir", tmp_path / "run") == 2
    assert said in error(capsys)
    assert not (tmp_path / "run").exists()
    assert state(world / "run") == before


def test_runs_that_cannot_grow_are_refused(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new: list[str | Path] = ["discover", world / "new", *SEEN, "--output-dir", tmp_path / "run", "--grow"]
    assert objdisc(*new) == 2
    assert "name that by --init-from RUN" in error(capsys)
    assert objdisc(*new, "--init-from", world / "new") == 2
    assert "not a run" in error(capsys)
    shutil.copytree(world / "run", tmp_path / "alone")
    (tmp_path / "alone" / "metrics.json").unlink()
    assert objdisc(*new, "--init-from", tmp_path / "alone") == 2
    assert "was trained alone; finish it by objdisc discover --resume" in error(capsys)
    shutil.copytree(world / "run", tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "patches")
    assert objdisc(*new, "--init-from", tmp_path / "bare") == 2
    assert "are gone, and new objects must be compared with them" in error(capsys)
    assert objdisc("discover", world / "new", *SEEN, "--names", "names.json") == 2
    assert "give --init-from RUN --grow" in error(capsys)
    assert not (tmp_path / "run").exists()


def test_a_run_that_divides_pixels_cannot_grow(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Classical, "per_pixel", True)  # a run of scenes would take ten seconds
    assert grow(world, "new", "--output-dir", tmp_path / "run") == 2
    assert "is of classical, which divides pixels into categories" in error(capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["kmeans_memory", "kmeans_baseline", "deepcluster", "iic", "jule", "scan", "simclr"])
def test_any_method_for_objects_grows(world: Path, tmp_path: Path, method: str) -> None:
    """Old objects keep their ids, whatever the method, and the new kind is found with its encoder."""
    more = {"deepcluster": ["--method.overclusters", "8"], "jule": ["--method.period_epochs", "1"]}.get(method, [])
    first = [*FIRST[: FIRST.index("--method")], "--num-clusters", "3", "--epochs", "1", "--batch-size", "32"]
    assert objdisc("discover", world / "old", *first, "--method", method, *more, "--output-dir", tmp_path / "run") == 0
    assert grow(world, "new", "--output-dir", tmp_path / "grown", run=str(tmp_path / "run")) == 0
    summary = RunSummary.read(Run(tmp_path / "grown"))
    assert summary is not None
    assert summary.growth is not None
    assert sum(summary.growth.new.values()) > 20
    before, after = (package.load_run(tmp_path / name, device="cpu") for name in ("run", "grown"))
    store = open_results(Run(before.path))[1]
    ids = [run.predict(store).probabilities.argmax(axis=1) for run in (before, after)]
    assert (ids[0] == ids[1]).mean() > 0.95
