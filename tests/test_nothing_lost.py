"""Every command with every kind of mistake, on a finished run: whatever fails, the run is what it was, to the byte."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from objdisc.cli import COMMANDS, main

from .support.discoveries import SMALL

QUICK = [*SMALL, "--num-clusters", "4", "--overlays", "2", "--background-share", "0.3"]

TRAINING = {
    "discover": ["discover", "CITY", *QUICK, "--output-dir", "RUN"],
    "discover --overwrite": ["discover", "CITY", *QUICK, "--seed", "1", "--output-dir", "RUN", "--overwrite"],
    "discover --resume": ["discover", "--resume", "RUN", "--overlays", "3"],
    "train": ["train", "CITY", *QUICK, "--output-dir", "RUN"],
    "train --overwrite": ["train", "CITY", *QUICK, "--seed", "1", "--output-dir", "RUN", "--overwrite"],
    "train --resume": ["train", "--resume", "RUN", "--epochs", "2"],
}
READING = {
    "segment": ["segment", "RUN", "CITY", "--workers", "0"],
    "evaluate": ["evaluate", "RUN", "--workers", "0"],
    "retrieve": ["retrieve", "RUN", "--cluster", "CLUSTER"],
    "export": ["export", "RUN"],
    "probe": ["probe", "RUN", "--workers", "0", "--no-random"],
    "finetune": ["finetune", "RUN", "--workers", "0", "--no-random", "--shares", "1", "--epochs", "1"],
    "overclustering": ["overclustering", "RUN", "--workers", "0"],
}
FIGURES = {
    **{"about": "A few frames", "data": "data/city", "flags": "--num-clusters 4", "seeds": [0], "figures": ["nmi"]},
    **{"train_split": "train", "split": "val"},
}
LOOKING = {"inspect": ["inspect", "CITY", "--sheet", "sheet.png"]}
COMPARING = {"compare": ["compare", "CONFIG", "CITY", "--output-dir", "COMPARISON"]}
REPRODUCING = {"reproduce": ["reproduce", "tiny", "--results", "checkout/data/results", "--output-dir", "MADE"]}
ALL = {**TRAINING, **READING, **COMPARING, **REPRODUCING, **LOOKING}

# What is given in addition, or damaged, and the commands that it concerns
FLAGS: dict[str, tuple[Sequence[str], dict[str, list[str]]]] = {
    "device": (("--device", "cudaa"), {**TRAINING, **{name: READING[name] for name in READING if name != "export"}}),
    "config": (("--config", "broken.yaml"), ALL),
    "unknown flag": (("--colour", "red"), ALL),
    "config of another class": (("--config", "foreign.yaml"), TRAINING),
    "data": (
        ("--split", "nowhere"),
        {**TRAINING, **LOOKING, "segment": READING["segment"], "evaluate": READING["evaluate"]},
    ),
    "file of the user's": (("--sheet", "names.json"), LOOKING),
    "weights": (("--weights", "missing.safetensors"), TRAINING),
    "init-from": (("--init-from", "nowhere"), {name: TRAINING[name] for name in TRAINING if "resume" not in name}),
    "K": (("--num-clusters", "5000"), TRAINING),
    "names": (("--names", "names.json"), {"segment": READING["segment"], "export": READING["export"]}),
    "output folder": (("--output-dir", "FOREIGN"), {**READING, **COMPARING}),
    "empty output folder": (("--output-dir", ""), ALL),
}


@pytest.fixture(scope="module")
def finished(toy_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that was used: searched, exported, scored on another split."""
    folder = tmp_path_factory.mktemp("finished") / "RUN"
    assert main(["discover", str(toy_city), *QUICK, "--output-dir", str(folder)]) == 0
    assert main(["export", str(folder)]) == 0
    assert main(["evaluate", str(folder), "--split", "train", "--workers", "0"]) == 0
    return folder


@pytest.fixture
def place(finished: Path, toy_city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder to work in, with a copy of a finished run that has files of its user."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, "RUN")
    for name in ("names.json", "overlays/mine.txt", "retrieval/favourites.txt", "patches/notes.txt"):
        (tmp_path / "RUN" / name).write_text("mine", encoding="utf-8")
    (tmp_path / "broken.yaml").write_text("momentum: many\n", encoding="utf-8")
    (tmp_path / "foreign.yaml").write_text("method: this.Method\n", encoding="utf-8")
    (tmp_path / "CONFIG.yaml").write_text("num_clusters: 4\n", encoding="utf-8")
    names: dict[str, Any] = {"format": "objdisc-names", "version": 1, "num_clusters": 4, "run": "0" * 32}
    (tmp_path / "names.json").write_text(json.dumps(names), encoding="utf-8")
    (tmp_path / "FOREIGN").mkdir()
    for name in ("metrics.json", "config.yaml", "clusters.csv"):
        (tmp_path / "FOREIGN" / name).write_text("mine", encoding="utf-8")
    (tmp_path / "CITY").symlink_to(toy_city)
    results = tmp_path / "checkout/data/results"
    results.mkdir(parents=True)
    (results.parent / "city").symlink_to(tmp_path / "CITY")
    (results / "figures.yaml").write_text(yaml.safe_dump({"tiny": FIGURES}), encoding="utf-8")
    (results / "tiny.json").write_text('[{"seed": 0, "nmi": 0.5}]', encoding="utf-8")
    return tmp_path


def words(command: Sequence[str], place: Path) -> list[str]:
    clusters = json.loads((place / "RUN" / "metrics.json").read_text(encoding="utf-8"))["cluster_sizes"]
    known = {"CLUSTER": str(clusters.index(max(clusters))), "CONFIG": "CONFIG.yaml"}
    return [known.get(word, word) for word in command]


def state(folder: Path) -> dict[str, str]:
    """Hash every file, and name every folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def cases() -> Iterator[Any]:
    for mistake, (flags, commands) in FLAGS.items():
        for name, command in commands.items():
            yield pytest.param(command, flags, id=f"{name}: {mistake}")


def test_every_command_is_walked_over() -> None:
    quiet = {"benchmark", "doctor"}  # which write to no folder
    assert {command[0] for command in ALL.values()} == set(COMMANDS) - quiet


@pytest.mark.parametrize(("command", "flags"), list(cases()))
def test_a_mistake_in_the_command_changes_nothing(
    command: Sequence[str], flags: Sequence[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state(place)
    assert main([*words(command, place), *flags]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("objdisc: error: "), said
    assert state(place) == before


DAMAGED = {
    "no data": "CITY",
    "weights": "RUN/weights.safetensors",
    "checkpoint": "RUN/checkpoints/last.pt",
    "index": "RUN/index/index.json",
    "settings": "RUN/config.yaml",
    "mark": "RUN/run.json",
}
NOT_NEEDED = {  # what a command can do without, so that there is nothing for it to fail about
    "no data": {"retrieve", "export"},
    "weights": {"discover --overwrite", "train --overwrite", "discover --resume", "train --resume", "compare"},
    "checkpoint": {"discover", "train", "discover --overwrite", "train --overwrite", *READING, *COMPARING},
    "index": {*ALL} - {"retrieve", "export"},
    "settings": {"discover --overwrite", "train --overwrite", "compare"},
    "mark": {"compare"},
}
NOT_NEEDED = {
    damage: {*commands, *({**LOOKING, **REPRODUCING} if damage != "no data" else ())}
    for damage, commands in NOT_NEEDED.items()
}


@pytest.mark.parametrize(
    ("name", "damage"),
    [(name, damage) for damage in DAMAGED for name in ALL if name not in NOT_NEEDED[damage]],
)
def test_damage_is_not_made_worse(
    name: str, damage: str, place: Path, toy_city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = place / DAMAGED[damage]
    if damage == "no data":
        path.unlink()
        path.symlink_to(place / "nowhere")
        settings = place / "RUN" / "config.yaml"
        settings.write_text(settings.read_text(encoding="utf-8").replace(str(toy_city), "CITY"), encoding="utf-8")
    else:
        path.write_bytes(path.read_bytes()[:40])
    asked = words(ALL[name], place) + (["--names", "names.json"] if (name, damage) == ("segment", "index") else [])
    before = state(place)
    assert main(asked) == 2, capsys.readouterr()
    assert capsys.readouterr().err.splitlines()[-1].startswith("objdisc: error: ")
    assert state(place) == before


class FullDisk:
    """Let so many files be finished, and no more."""

    def __init__(self, files: int) -> None:
        self.left, self.replace = files, os.replace

    def __call__(self, source: Path, target: Path) -> None:
        if str(source).endswith(".tmp"):
            if self.left == 0:
                raise OSError(errno.ENOSPC, "No space left on device", str(source))
            self.left -= 1
        self.replace(source, target)


@pytest.mark.slow
@pytest.mark.parametrize("files", [0, 1, 3, 8])
@pytest.mark.parametrize("name", [name for name in ALL if name not in {**COMPARING, **REPRODUCING}])
def test_a_full_disk_takes_nothing_that_was_there(
    name: str, files: int, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a training has learned, and parts of a folder that was segmented, are kept to go on from."""
    before = state(place)
    with monkeypatch.context() as patch:
        patch.setattr("objdisc.io.files.os.replace", FullDisk(files))
        code = main(words(ALL[name], place))
    after = state(place)
    if code == 0:
        assert "No space left" not in capsys.readouterr().err
        return
    assert code == 1
    assert "No space left" in capsys.readouterr().err
    learned = {"config.yaml", "metrics.jsonl", "checkpoints/last.pt", "weights.safetensors", "centers.safetensors"}
    changed = {path for path in before if after.get(path) != before[path]}
    assert changed <= ({f"RUN/{path}" for path in learned} if "resume" in name else set())
    added = {path for path in after if path not in before}
    goes_on = {"segment", "evaluate", ".objdisc-replacement"}
    assert not [path for path in added if not path.startswith(tuple(f"RUN/{name}" for name in goes_on))]
