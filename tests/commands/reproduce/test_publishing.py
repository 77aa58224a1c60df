"""Publishing figures that were made again: what takes the place of what, and what is refused."""

import json

import pytest

from ...support.planned import Discover
from ...support.published import COMMIT, Repository, Said, at, made


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
