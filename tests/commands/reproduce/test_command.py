"""Published figures made again: what is listed, run, gone on with, compared, published and refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from objdisc.cli import main
from objdisc.config.parser import load
from objdisc.pipeline.options import DiscoverOptions

from ...support.discoveries import SMALL
from ...support.planned import Discover
from ...support.published import OLD, Repository, Said, made


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
