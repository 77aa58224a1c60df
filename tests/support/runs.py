"""Small runs on the toy city, and what tests ask of their folders."""

import hashlib
import json
from pathlib import Path

import pytest

from objdisc.cli import main
from objdisc.datasets import open_dataset
from objdisc.io.claims import LOCK
from objdisc.io.run import Run
from objdisc.naming.categories import former_identities
from objdisc.objectness.instances import Instances
from objdisc.patches.building import MANIFEST
from objdisc.patches.shards import CutJob
from objdisc.patches.windows import PatchOptions
from objdisc.pipeline.loading import open_results

from .discoveries import SMALL

QUICK = [*SMALL, "--num-clusters", "4", "--overlays", "1"]


def discover(*more: str, command: str = "discover", folder: str = "run") -> int:
    return main([command, "city", *QUICK, "--output-dir", folder, *more])


def state(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def error(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.splitlines()[-1]


def as_version_0_1(project: Path) -> str:
    """Make the run one that version 0.1 would have left in this place, and return its identity there."""
    run = Run(project / "run")
    (run.path / "run.json").unlink()
    (run.path / LOCK).unlink()
    for split in ("train", "val"):
        manifest = run.patches / split / MANIFEST
        values = json.loads(manifest.read_text(encoding="utf-8"))
        del values["stamps"]
        job = CutJob(open_dataset(Path("city"), split), Instances(), PatchOptions(size=32), 0)
        values |= {"format": 3, "key": job.key_of_version_3()}
        values["settings"]["format"] = 3
        manifest.write_text(json.dumps(values), encoding="utf-8")
    index = run.index / "index.json"
    about = json.loads(index.read_text(encoding="utf-8")) | {"store_key": values["key"]}
    index.write_text(json.dumps(about), encoding="utf-8")
    (identity,) = former_identities(run, open_results(run)[1])
    return identity


def write_names(path: Path, identity: str) -> None:
    head = {"format": "objdisc-names", "version": 1, "num_clusters": 4, "run": identity}
    # all of them: the few objects of the val split lie in any
    clusters = [{"cluster": cluster, "name": "thing"} for cluster in range(4)]
    path.write_text(json.dumps(head | {"clusters": clusters}), encoding="utf-8")
