"""A number of clusters that is recommended: used, noted, shown, and the same again."""

import json
from pathlib import Path

import pytest

from objdisc.clustering.number import RecommendedNumber
from objdisc.config.parser import load
from objdisc.errors import UsageError
from objdisc.io.files import read_json
from objdisc.io.run import Run
from objdisc.pipeline.options import DiscoverOptions
from objdisc.pipeline.recommending import doubt, in_words, read_number
from objdisc.pipeline.summary import RunSummary

from ..support.discoveries import SMALL, objdisc, weights_of

AUTO = [*SMALL, "--num-clusters", "auto"]


@pytest.fixture(scope="module")
def recommended(toy_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("auto") / "run"
    assert objdisc("discover", toy_city, *AUTO, "--output-dir", folder) == 0
    return Run.open(folder)


def test_the_number_is_used_and_written_with_its_evidence(recommended: Run) -> None:
    found, summary = read_number(recommended), RunSummary.read(recommended)
    assert found is not None
    assert summary is not None
    assert summary.number == found
    assert summary.figures["num_clusters"] == found.chosen
    assert summary.figures["recommended_clusters"]["strengths"] == read_json(recommended.num_clusters)["strengths"]
    assert load(DiscoverOptions, recommended.config).num_clusters == found.chosen
    page = recommended.report.read_text(encoding="utf-8")
    assert "How many categories there are" in page
    assert f"{found.chosen} were recommended, without labels" in page


def test_the_same_command_and_resume_find_the_run_finished(
    recommended: Run, toy_city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert objdisc("discover", toy_city, *AUTO, "--output-dir", recommended.path) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert objdisc("discover", "--resume", recommended.path, "--workers", "0") == 0
    assert "nothing to do" in capsys.readouterr().out


def test_the_weights_are_those_of_the_number_given_by_hand(recommended: Run, toy_city: Path, tmp_path: Path) -> None:
    found = read_number(recommended)
    assert found is not None
    number = str(found.chosen)
    assert objdisc("train", toy_city, *SMALL, "--num-clusters", number, "--output-dir", tmp_path / "run") == 0
    assert weights_of(tmp_path / "run") == weights_of(recommended.path)


def test_an_interruption_after_the_number_was_found_keeps_it(
    recommended: Run, toy_city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("objdisc.commands.discover._train", interrupted)
    assert objdisc("discover", toy_city, *AUTO, "--output-dir", tmp_path / "run") == 130
    monkeypatch.undo()
    known = read_number(Run(tmp_path / "run"))
    assert known == read_number(recommended)
    monkeypatch.setattr("objdisc.pipeline.recommending.recommend_number", lambda *_, **__: pytest.fail("looked again"))
    assert objdisc("discover", "--resume", tmp_path / "run", "--workers", "0") == 0
    assert weights_of(tmp_path / "run") == weights_of(recommended.path)


def test_other_settings_do_not_take_the_number_over(
    recommended: Run, toy_city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert objdisc("discover", toy_city, *AUTO, "--seed", "3", "--output-dir", recommended.path) == 2
    assert "holds a run with other settings" in capsys.readouterr().err


def test_methods_that_divide_pixels_are_refused(
    toy_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*AUTO, "--method", "iic_dense", "--encoder", "segnet", "--objectness", "grid"]
    assert objdisc("train", toy_city, *options, "--output-dir", tmp_path / "run") == 2
    assert "--num-clusters auto: iic_dense divides pixels" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("wrong", ["automatic", "1", "2.5"])
def test_what_is_no_number_is_refused(toy_city: Path, wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert objdisc("discover", toy_city, *SMALL, "--num-clusters", wrong) == 2
    assert "num-clusters" in capsys.readouterr().err.replace("_", "-")


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    run.num_clusters.write_text('{"chosen": 3}', encoding="utf-8")
    with pytest.raises(UsageError, match=r"num_clusters\.json: damaged"):
        read_number(run)


def test_the_number_of_a_run_of_an_older_version_is_read(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    curves = {"strengths": {"2": 0.9, "3": 0.6, "4": 0.4}, "silhouettes": {"2": 0.3, "3": 0.2, "4": 0.1}}
    facts = {"chosen": 3, "runner_up": 2, "silhouette": 2, "threshold": 0.52, "samples": 64}
    run.num_clusters.write_text(json.dumps({**facts, **curves}), encoding="utf-8")
    found = read_number(run)
    assert found is not None
    assert (found.chosen, found.threshold, found.noise) == (3, 0.52, {})
    assert found.is_found_again


def test_words() -> None:
    found = RecommendedNumber(3, 5, 2, {2: 0.4, 3: 0.45, 5: 0.3}, {2: 0.2, 3: 0.1, 5: 0.1}, 64, 0.5)
    assert in_words(found) == (
        "number of clusters: 3 (strength 0.45, below 0.50: a guess; runner-up 5 with 0.30, the silhouette says 2)"
    )
    assert "3 comes nearest, with a strength of 0.45" in doubt(found)
