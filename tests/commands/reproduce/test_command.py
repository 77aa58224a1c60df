"""Published figures made again: what is listed, run, gone on with, compared, published and refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from objdisc.cli import main
from objdisc.config.parser import load
from objdisc.pipeline.options import DiscoverOptions
from objdisc.pipeline.provenance import Provenance

from ...support.discoveries import SMALL
from ...support.planned import Discover

COMMIT = "0123456789abcdef"
ENTRY: dict[str, Any] = {
    "about": "The toy city by k-means memory",
    "data": "data/city",
    "config": "configs/tiny.yaml",
    "flags": "--num-clusters 5 --overlays 0",
    "seeds": [0, 3],
    "train_split": "train",
    "split": "val",
    "figures": ["nmi", "baseline.nmi"],
}
OLD = [{"seed": seed, "nmi": nmi, "baseline": {"nmi": 0.5}, "subheads": 5} for seed, nmi in ((0, 0.25), (3, 0.75))]


class Repository:
    """A checkout with one entry of figures, and its published file.

    Attributes:
        results: Its data/results.
        out: Where runs go.
    """

    def __init__(self, path: Path, city: Path) -> None:
        self.results, self.out = path / "repository/data/results", path / "out"
        self.results.mkdir(parents=True)
        (path / "repository/configs").mkdir()
        (path / "repository/data/city").symlink_to(city)
        tiny = "method: kmeans_memory\nnum_clusters: 4\nepochs: 2\n"
        (path / "repository/configs/tiny.yaml").write_text(tiny, encoding="utf-8")
        self.put()
        self.file.write_text(json.dumps(OLD), encoding="utf-8")

    @property
    def file(self) -> Path:
        """What is published."""
        return self.results / "tiny.json"

    def put(self, **changes: Any) -> None:
        """Write the entry, with changes; None leaves a key out."""
        entry = {key: value for key, value in (ENTRY | changes).items() if value is not None}
        (self.results / "figures.yaml").write_text(yaml.safe_dump({"tiny": entry}), encoding="utf-8")

    def rows(self) -> list[dict[str, Any]]:
        """Read what is published."""
        found: list[dict[str, Any]] = json.loads(self.file.read_text(encoding="utf-8"))
        return found

    def __call__(self, *words: str) -> int:
        """Call the command."""
        return main(["reproduce", *words, "--results", str(self.results), "--output-dir", str(self.out)])


@pytest.fixture
def repository(tmp_path: Path, toy_city: Path) -> Repository:
    return Repository(tmp_path, toy_city)


@pytest.fixture
def discover(monkeypatch: pytest.MonkeyPatch) -> Discover:
    """Stand in for the processes, on a machine and at a commit that are known."""
    fake = Discover()
    monkeypatch.setattr("objdisc.pipeline.planned.subprocess", SimpleNamespace(run=fake))
    at(monkeypatch, COMMIT)
    return fake


def at(monkeypatch: pytest.MonkeyPatch, commit: str | None) -> None:
    """Let the code be of a commit."""
    for module in ("objdisc.io.marks", "objdisc.commands.reproduce.command"):
        monkeypatch.setattr(f"{module}.current_commit", lambda: commit)


def made(
    seed: int, nmi: float, *, commit: str | None = COMMIT, date: str = "2026-12-01T10:00:00+00:00"
) -> dict[str, Any]:
    """Return what a run noted."""
    machine = Provenance("0.2.0", commit, "3.13.1", "2.9.1", "AMD EPYC", 2, 1, "cpu", "", "bf16", date)
    times = {"seconds": 60.0, "cpu_seconds": 50.0}
    return {"seed": seed, "nmi": nmi, "baseline": {"nmi": 0.5}, "provenance": machine.to_json(), **times}


Said = Callable[[], str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Give what was printed since the last call, spaces as one."""
    return lambda: " ".join(capsys.readouterr().out.split())


def test_without_a_name_all_are_listed(repository: Repository, discover: Discover, said: Said) -> None:
    assert repository() == 0
    assert "tiny data/city, train → val 0,3 nmi 0.500 (0.250–0.750), baseline.nmi 0.500" in said()
    assert discover.asked == []


def test_each_seed_is_run_as_published_and_only_once(repository: Repository, discover: Discover, said: Said) -> None:
    discover.more = [made(0, 0.5), made(3, 0.8)]
    assert repository("tiny", "--workers", "0") == 0
    folders = [Path(path).parent for _, path in discover.asked]
    assert folders == [repository.out / f"tiny/seed{seed}" for seed in (0, 3)]
    options = [load(DiscoverOptions, folder / "asked.yaml") for folder in folders]
    assert [(found.training.seed, found.num_clusters, found.overlays) for found in options] == [(0, 5, 0), (3, 5, 0)]
    assert {(found.training.epochs, found.training.workers) for found in options} == {(2, 0)}
    text = said()
    command = "objdisc discover data/city --config configs/tiny.yaml --num-clusters 5 --overlays 0 --seed S"
    assert f"tiny: The toy city by k-means memory {command} (train → val)" in text
    assert "nmi 0.500 (0.250–0.750) 0.650 (0.500–0.800) 0; 3 above by 0.0500" in text
    assert "baseline.nmi 0.500 0.500 0, 3" in text
    assert "published: seeds 0, 3, commit unknown, processor unknown" in text
    assert (
        "here: seeds 0, 3, commit 0123456, processor AMD EPYC, 1 thread of 2 cores, cpu in bf16, 60 s, 50 s of" in text
    )
    assert repository("tiny") == 0
    assert said() == text
    assert len(discover.asked) == 2
    assert repository.rows() == OLD


def test_the_range_is_widened_by_nothing(repository: Repository, discover: Discover, said: Said) -> None:
    discover.more = [made(0, 0.2499), made(3, 0.75 + 1e-12)]
    assert repository("tiny") == 0
    assert "3; 0 below by 0.0001" in said()


def test_an_interruption_is_gone_on_with(repository: Repository, discover: Discover, said: Said) -> None:
    discover.ends = [0, 130]
    assert repository("tiny") == 130
    assert repository("tiny") == 0
    assert [flag for flag, _ in discover.asked] == ["--config", "--config", "--resume"]


def test_a_failure_is_said(repository: Repository, discover: Discover, said: Said) -> None:
    discover.ends = [1]
    assert repository("tiny", "--seeds", "0") == 0
    assert "here: nothing yet seed 0: failed: the loss is not finite" in said()


def test_publishing_takes_the_place_of_what_is_older(
    repository: Repository, discover: Discover, said: Said, caplog: pytest.LogCaptureFixture
) -> None:
    discover.more = [made(3, 0.8), made(0, 0.5)]
    assert repository("tiny", "--seeds", "3") == 0
    assert repository("tiny", "--publish") == 0
    assert f"written: {repository.file}" in said()
    rows = repository.rows()
    assert [(row["seed"], row["nmi"]) for row in rows] == [(0, 0.5), (3, 0.8)]
    assert rows[1]["command"].endswith("configs/tiny.yaml --num-clusters 5 --overlays 0 --seed 3")
    assert rows[0]["provenance"]["commit"] == COMMIT
    assert (rows[0]["split"], rows[0]["cpu_seconds"], rows[0]["peak_mebibytes"]) == ("val", 50.0, 7)
    assert "exit_code" not in rows[0]
    assert "no longer in it: subheads" in caplog.text
    written = repository.file.stat().st_mtime_ns
    assert repository("tiny", "--publish") == 0, "they are published already"
    assert repository.file.stat().st_mtime_ns == written
    assert "published: seeds 0, 3, commit 0123456, processor AMD EPYC" in said()


def publishing(repository: Repository, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Try to publish, and return why it was refused."""
    before = repository.file.read_bytes()
    assert repository("tiny", "--publish", *words) == 2
    assert repository.file.read_bytes() == before
    return capsys.readouterr().err.splitlines()[-1]


def test_what_is_newer_stays(repository: Repository, discover: Discover, capsys: pytest.CaptureFixture[str]) -> None:
    for row in (newer := [made(seed, 0.5) for seed in (0, 3)]):
        row["provenance"]["date"] = "2027-01-01T00:00:00+00:00"
    repository.file.write_text(json.dumps(newer), encoding="utf-8")
    discover.more = [made(0, 0.5), made(3, 0.8)]
    assert "tiny is not published: seed 0 was made on 2026-12-01" in publishing(repository, capsys)


def test_some_seeds_are_not_published(
    repository: Repository, discover: Discover, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "tiny is published with seeds 0, 3, and 3 were not run" in publishing(repository, capsys, "--seeds", "0")
    assert discover.asked == []
    discover.ends, discover.more = [0, 1], [made(0, 0.5)]
    assert "tiny is not published: no run of seed 3" in publishing(repository, capsys)


@pytest.mark.parametrize("commit", [None, f"{COMMIT}-dirty"])
def test_figures_of_unknown_code_are_not_published(
    repository: Repository,
    discover: Discover,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    commit: str | None,
) -> None:
    at(monkeypatch, commit)
    assert "nobody could make the figures again" in publishing(repository, capsys)
    assert discover.asked == [], "that is known before anything is run"
    discover.more = [made(0, 0.5, commit=commit), made(3, 0.8, commit=commit)]
    assert repository("tiny") == 0
    assert "which nobody could check out" in publishing(repository, capsys)


def test_a_run_of_two_commits_is_not_published(
    repository: Repository, discover: Discover, capsys: pytest.CaptureFixture[str]
) -> None:
    discover.more = [made(0, 0.5, commit="ffff"), made(3, 0.8)]
    assert f"seed 0 was begun at {COMMIT} and ended at ffff" in publishing(repository, capsys)


def test_a_figure_that_a_run_lacks_is_not_published(
    repository: Repository, discover: Discover, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.put(figures=["nmi", "stages.scan.nmi"])
    discover.more = [made(0, 0.5), made(3, 0.8)]
    assert "seed 0 has no stages.scan.nmi" in publishing(repository, capsys)


@pytest.mark.parametrize(
    ("words", "changes", "message"),
    [
        (["tinny"], {}, "tinny: no such figures; did you mean tiny?"),
        (["tiny", "--seeds", "1,1"], {}, "--seeds: give each seed once"),
        (["tiny"], {"data": "data/nowhere"}, "nowhere: no such folder; tiny needs its images"),
        (["tiny"], {"config": "configs/none.yaml"}, "none.yaml: the config cannot be read"),
        (["tiny"], {"flags": "--epocs 3"}, "tiny.yaml: unknown setting 'epocs'; did you mean epochs?"),
        (["tiny"], {"config": None, "flags": "--epocs 3"}, "tiny: unknown setting 'epocs'"),
        (["tiny"], {"split": "test"}, "would train on and score train and val, figures.yaml says train and test"),
        ([], {"about": None}, "figures.yaml: tiny: 'about' is missing"),
        ([], {"sedes": [1]}, "figures.yaml: tiny: 'sedes' is no key of an entry"),
        ([], {"seeds": ["one"]}, "figures.yaml: cannot be read"),
        ([], {"seeds": []}, "figures.yaml: tiny: seeds []; give each seed once"),
        (["tiny", "--epochs", "3"], {}, "unknown setting 'epochs'"),
    ],
)
def test_mistakes_are_found_before_anything_is_run(
    repository: Repository,
    discover: Discover,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    changes: dict[str, Any],
    message: str,
) -> None:
    repository.put(**changes)
    assert repository(*words) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert discover.asked == []


def test_a_folder_of_somebody_else_is_left_alone(
    repository: Repository, discover: Discover, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository.out / "tiny").mkdir(parents=True)
    (repository.out / "tiny/thesis.txt").write_text("mine", encoding="utf-8")
    assert repository("tiny") == 2
    assert "nothing was written. Give another --output-dir." in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in (repository.out / "tiny").iterdir()] == ["thesis.txt"]
    assert discover.asked == []


@pytest.mark.parametrize("text", ["half", '{"nmi": 1}', '[{"provenance": {}}]', "[5]"])
def test_damaged_figures_are_refused(repository: Repository, capsys: pytest.CaptureFixture[str], text: str) -> None:
    repository.file.write_text(text, encoding="utf-8")
    assert repository() == 2
    assert "tiny.json: damaged" in capsys.readouterr().err.splitlines()[-1]


def test_an_installation_without_the_repository_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("objdisc.__file__", str(tmp_path / "site-packages/objdisc/__init__.py"))
    assert main(["reproduce"]) == 2
    message = capsys.readouterr().err
    assert "this installation is no checkout of the repository; clone it" in message
    assert len(message.splitlines()) == 1


def test_what_was_never_published_has_no_range(repository: Repository, discover: Discover, said: Said) -> None:
    repository.file.unlink()
    discover.more = [made(0, 0.5), made(3, 0.8)]
    assert repository("tiny", "--publish") == 0
    assert "nmi – 0.650 (0.500–0.800) –" in said()
    assert len(repository.rows()) == 2


@pytest.mark.slow
def test_real_runs_are_compared_with_what_is_published(repository: Repository, said: Said) -> None:
    """Two seeds of a small network, each in its own process; published of what they found, they lie within."""
    repository.put(flags=" ".join([*SMALL, "--num-clusters", "4", "--overlays", "0", "--baseline"]))
    assert repository("tiny", "--device", "cpu", "--workers", "0") == 0
    runs = [repository.out / f"tiny/seed{seed}" for seed in (0, 3)]
    found = [json.loads((run / "metrics.json").read_text(encoding="utf-8")) for run in runs]
    assert [row["seed"] for row in found] == [0, 3]
    assert all(row["cpu_seconds"] > 0 and row["provenance"]["device"] == "cpu" for row in found)
    said()
    repository.file.write_text(json.dumps(found), encoding="utf-8")
    before = [(run / "metrics.json").stat().st_mtime_ns for run in runs]
    assert repository("tiny") == 0
    text = said()
    assert text.count(" 0, 3 ") >= 2
    assert "above" not in text
    assert "below" not in text
    assert [(run / "metrics.json").stat().st_mtime_ns for run in runs] == before
    shutil.rmtree(runs[1])
    assert repository("tiny", "--device", "cpu", "--workers", "0") == 0
    again = json.loads((runs[1] / "metrics.json").read_text(encoding="utf-8"))
    assert again["nmi"] == found[1]["nmi"]
