"""What figures.yaml says, the JSON files beside it, the configs and the tables of README.md agree with each other."""

from pathlib import Path

import pytest

from objdisc.commands.reproduce.command import ReproduceOptions
from objdisc.commands.reproduce.command import reproduce as reproduced
from objdisc.commands.reproduce.figures import RESULTS, Figures, read_figures, value_of
from objdisc.config.parser import parse
from objdisc.pipeline.options import DiscoverOptions
from objdisc.pipeline.seeds import Spread

ROOT = Path(__file__).parents[1]
ENTRIES = read_figures(ROOT / RESULTS)
README = (ROOT / RESULTS / "README.md").read_text(encoding="utf-8")
OTHERS = {
    "camvid3_iic_epochs.json",
    *(f"{name}_deepcluster_probe.json" for name in ("cifar10", "mnist", "usps")),
}
NOT_IN_TABLES = {  # published in the JSON file alone
    ("camvid_kmeans_memory_k2", "accuracy_majority"),
    ("camvid_kmeans_memory_k2", "nmi"),
}

each_entry = pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))


def test_every_file_has_an_entry_or_is_named_as_made_otherwise() -> None:
    files = {path.name for path in (ROOT / RESULTS).glob("*.json")}
    assert files == {f"{name}.json" for name in ENTRIES} | OTHERS
    said = (ROOT / RESULTS / "figures.yaml").read_text(encoding="utf-8")
    assert "camvid3_iic_epochs.json" in said
    assert "_deepcluster_probe.json" in said


@each_entry
def test_what_is_published_is_what_the_entry_says(entry: Figures) -> None:
    rows = [row.numbers for row in entry.published()]
    assert [row["seed"] for row in rows] == list(entry.seeds)
    assert {row["split"] for row in rows} == {entry.split}
    assert {row.get("train_split", entry.train_split) for row in rows} == {entry.train_split}
    for key in entry.keys:
        assert [value for row in rows if (value := value_of(row, key)) is not None], key


@each_entry
def test_configs_take_the_flags_and_name_the_splits(entry: Figures) -> None:
    words = entry.command(0).split()[2:]
    assert (entry.root / RESULTS).samefile(entry.folder)
    if entry.config is not None:
        words[words.index("--config") + 1] = str(ROOT / entry.config)
    options = parse(DiscoverOptions, words, prog="objdisc reproduce")
    assert options.training.seed == 0
    assert options.path == entry.data
    assert options.split in {None, entry.split}
    assert options.train_split in {None, entry.train_split}
    if any(key.startswith("baseline.") for key in entry.keys):
        assert options.baseline
    stages = {key.split(".")[1] for key in entry.keys if key.startswith("stages.")}
    assert stages <= {*(options.stages or {})}


@each_entry
def test_the_tables_show_mean_and_range_of_the_file(entry: Figures) -> None:
    rows = [line for line in README.splitlines() if line.startswith("|")] + [README.partition("## MNIST")[2]]
    published = [row.numbers for row in entry.published()]
    for key in entry.keys:
        if (entry.name, key) in NOT_IN_TABLES:
            continue
        spread = Spread.of([value_of(row, key) for row in published])
        assert spread is not None
        # rivals and stages are shown by their means; a range of nothing may be shown as a range or not
        mean = f"{spread.mean:.{entry.digits}f}"
        short = "." in key or len(published) == 1 or spread.low == spread.high
        short |= entry.name.endswith(("_random", "_pixels"))
        text = mean if short else spread.text(entry.digits)
        assert any(text in row for row in rows), f"{key}: {text}"


@pytest.mark.real_data
@each_entry
def test_images_that_are_here_have_the_splits(entry: Figures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All is checked before anything is run, data and splits too; the runs themselves are left out."""
    if not (ROOT / entry.data).is_dir():
        pytest.skip(f"no {entry.data}")
    asked: list[str] = []
    monkeypatch.setattr("objdisc.commands.reproduce.command.perform", lambda run, _: asked.append(run.name))
    options = ReproduceOptions(names=(entry.name,), output_dir=tmp_path, results=ROOT / RESULTS)
    assert entry.about in reproduced(options).summary()
    assert asked == [entry.name] * len(entry.seeds)
