"""Fingerprints of small seeded runs of every method: ``python tests/support/fingerprints.py USPS > before.txt``.

A change that must move nothing underneath prints the same lines before and after, on one machine: last bits differ
between machines. USPS is the folder of that set, of which 300 images are taken; it takes some minutes on two cores.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from objdisc.cli import main
from objdisc.datasets.toycity.generate import generate_toy_city

COMMON = ["--weights", "none", "--epochs", "2", "--batch-size", "32", "--workers", "0", "--device", "cpu"]
COMMON += ["--num-clusters", "4", "--overlays", "1"]
WITHOUT_BACKGROUND = ["--background-share", "0"]
METHODS: Mapping[str, list[str]] = {
    "kmeans_memory": ["--baseline"],
    "iic": WITHOUT_BACKGROUND,
    "simclr": WITHOUT_BACKGROUND,
    "scan": [*WITHOUT_BACKGROUND, "--method.neighbors", "3"],
    "deepcluster": [*WITHOUT_BACKGROUND, "--method.overclusters", "8"],
    "deepcluster_v2": [*WITHOUT_BACKGROUND, "--method.overclusters", "8"],
    "jule": WITHOUT_BACKGROUND,
    "classical": [*WITHOUT_BACKGROUND, "--method.algorithm", "gdl", "--method.space", "features"],
}
DENSE = ["--objectness", "grid", "--objectness.side", "32", "--objectness.stride", "32", "--method.half_t", "1"]
SETTINGS = {
    "toycity": ["--encoder", "resnet18_3x3:8,2", "--patches.size", "32"],
    "usps": ["--encoder", "jule16", "--patches.size", "16", "--objectness", "whole", "--background", "keep"],
}
TIMES = {"seconds", "cpu_seconds", "training_seconds", "provenance"}
TIMES |= {"supervision", "init_from", "method", "cluster_names"}  # or folders, or words


def run_all(usps: Path) -> None:
    """Print a line for each run: weights, cluster maps, values of metrics.json."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = {"toycity": generate_toy_city(folder / "toycity", num_train=12, num_val=6, size=(256, 128))}
        data["usps"] = folder / "usps"
        for path in sorted(usps.rglob("*.png"))[::37][:300]:
            (data["usps"] / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, data["usps"] / path.parent.name)
        for where, settings in SETTINGS.items():
            for method, more in METHODS.items():
                words = [str(data[where]), *COMMON, *settings, "--method", method, *more]
                show(f"{where} {method}", words, folder / "runs" / where / method)
        dense = ["--encoder", "segnet:S,8,M,8", "--patches.size", "32", "--method", "iic_dense", *DENSE]
        dense += ["--data.classes={sky: [23], ground: [7, 8], rest: [11, 21]}", *WITHOUT_BACKGROUND]
        show("toycity iic_dense", [str(data["toycity"]), *COMMON, *dense], folder / "runs" / "dense")


def show(name: str, words: list[str], run: Path) -> None:
    """Run discover, with its output out of the way, and print what became of it."""
    stdout, sys.stdout = sys.stdout, sys.stderr
    try:
        code = main(["discover", *words, "--output-dir", str(run)])
    finally:
        sys.stdout = stdout
    print(name, code, *(weights(run), maps(run), values(run)) if code == 0 else (), flush=True)


def weights(run: Path) -> str:
    """Hash all tensors, those of stages too."""
    digest = hashlib.sha256()
    for path in sorted(run.rglob("weights.safetensors")):
        with safe_open(path, framework="numpy") as file:
            for name in sorted(file.keys()):
                digest.update(name.encode() + file.get_tensor(name).tobytes())
    return digest.hexdigest()[:16]


def maps(run: Path) -> str:
    """Hash the maps of cluster ids, and the list of objects without its paths."""
    digest = hashlib.sha256()
    for path in sorted((run / "clusterIds").rglob("*.png")):
        digest.update(path.read_bytes())
    for line in (run / "clusters.csv").read_text(encoding="utf-8").splitlines():
        digest.update(line.partition(",")[2].encode())
    return digest.hexdigest()[:16]


def values(run: Path) -> str:
    """Hash the numbers of metrics.json."""
    numbers = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return hashlib.sha256(json.dumps(without_times(numbers), sort_keys=True).encode()).hexdigest()[:16]


def without_times(value: Any) -> Any:
    """Leave out what differs from call to call."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    run_all(Path(sys.argv[1]))
