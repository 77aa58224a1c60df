"""A run on disk: the paths of its files, and its log."""

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objdisc.errors import UsageError
from objdisc.io.claims import describe
from objdisc.io.files import read_json, remove_leftovers
from objdisc.io.marks import Mark
from objdisc.io.paths import checked_name
from objdisc.io.staging import final_place, settle

log = logging.getLogger("objdisc")

COMMANDS = ("discover", "train")
"""The commands that write runs."""

_RESULTS = (
    *("metrics.json", "report.html", "clusters.csv", "cluster_counts.csv", "cluster_counts.json", "epochs.csv"),
    *("prototypes.png", "confusion.png", "index/index.json", "index/embeddings.npy", "index/clusters.npy"),
    *("index/confidence.npy", "index/probabilities.npy", "index/foreground.npy", "known_names.json"),
)
_MAPS = (
    *("clusterIds/{}_clusterIds.png", "clusterIds/{}_clusterIds.tif", "labelIds/{}_labelIds.png"),
    *("color/{}_color.png", "overlays/{}.jpg", "sceneIds/{}_sceneIds.png", "sceneIds/{}_sceneIds.tif"),
)
_TRAINING = (
    *("config.yaml", "num_clusters.json", "things.json", "weights.safetensors", "centers.safetensors", "metrics.jsonl"),
    *("checkpoints/last.pt", "spent.json", "acceptance.safetensors"),
    *("assignments/epoch_[0-9][0-9][0-9][0-9][0-9].npy", "tensorboard/events.out.tfevents.*"),
    *(f"patches/*/{name}" for name in ("images.npy", "rows.npy", "masks.npy", "manifest.json", ".lock")),
    *("patches/*/shards/*.shard", "patches/*/shards/*.pixels"),
)


@dataclass(frozen=True)
class Run:
    """The folder ``runs/<name>/`` that one run writes; every property is a path inside it.

    A path being listed here does not mean that the file exists yet.

    Attributes:
        path: The folder.
    """

    path: Path

    @classmethod
    def create(cls, path: Path) -> "Run":
        """Make the folder, or take an existing one: files of an earlier run stay until they are replaced.

        Half-written files of a killed run in it are removed.

        Raises:
            UsageError: The path is a file, or the folder cannot be made.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise UsageError(f"{path}: not a folder; give another --output-dir.") from error
        except OSError as error:
            raise UsageError(f"{path}: cannot be made ({error.strerror}); give another --output-dir.") from error
        remove_leftovers(path)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Take a folder that a run has written.

        Raises:
            UsageError: The folder is missing or holds no run.
        """
        run = cls(path)
        if not path.is_dir():
            raise UsageError(f"{path}: no such folder; give the folder of a run, such as runs/<name>.")
        if (mark := Mark.read(path)) is not None and mark.command not in COMMANDS:
            raise UsageError(f"{path}: not a run, it {describe(mark)}; give a folder that train or discover wrote.")
        settle(path)
        if not run.config.is_file():
            raise UsageError(f"{path}: not a run, it has no config.yaml; give a folder that train or discover wrote.")
        return run

    @property
    def name(self) -> str:
        """The run's name: that of its folder, or of the final folder while the run is being replaced."""
        return final_place(self.path.resolve()).name

    @property
    def has_learned(self) -> bool:
        """Whether the run, or one of its stages, holds anything that came out of training."""
        runs = [self, *(Run(path) for path in self.stages.glob("*"))]
        return any(run.weights.is_file() or run.last_checkpoint.is_file() for run in runs)

    def results(self) -> list[str]:
        """List the files of the run's results, relative to its folder, whether they exist or not.

        Newer results replace all of these, and nothing else: files that a user has put beside them stay.
        """
        names = list(_RESULTS)
        sheets = (path.name for path in self.retrieval.glob("cluster_*.jpg"))
        names += [f"retrieval/{name}" for name in sheets if re.fullmatch(r"cluster_\d{3,}\.jpg", name)]
        manifest = self.index / "index.json"
        if manifest.is_file():
            try:
                images = [checked_name(name, manifest) for name in read_json(manifest).get("images") or ()]
            except UsageError as error:
                log.warning("maps of earlier results stay: %s", error)
                images = []
            names += [pattern.format(name) for name in images for pattern in _MAPS]
        return names

    def files(self) -> list[str]:
        """List the files that the run consists of, with its stages and its baseline, relative to its folder.

        A folder in it with a mark of its own belongs to another command.
        """
        names = self.results()
        for pattern in _TRAINING:
            names += [str(path.relative_to(self.path)) for path in self.path.glob(pattern)]
        for folder in (self.path / "baseline", self.scene.path, *sorted(self.stages.glob("*"))):
            if folder.is_dir() and not folder.is_symlink() and Mark.read(folder) is None:
                inner = Run(folder)
                names += [str((folder / name).relative_to(self.path)) for name in inner.files()]
        return names

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def num_clusters(self) -> Path:
        """The recommended number of clusters and its evidence, where one was asked for."""
        return self.path / "num_clusters.json"

    @property
    def known_names(self) -> Path:
        """Names of the categories of the run that this one was grown from, as a names.json of this one."""
        return self.path / "known_names.json"

    @property
    def things(self) -> Path:
        """Which clusters of scenes behave like things, where the run divides scenes beside objects."""
        return self.path / "things.json"

    @property
    def metrics_log(self) -> Path:
        """The training log: one JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def metrics(self) -> Path:
        """The evaluation's scores."""
        return self.path / "metrics.json"

    @property
    def assignments(self) -> Path:
        """Folder of the clusters that a method trained on, one file an epoch."""
        return self.path / "assignments"

    def assignments_of(self, epoch: int) -> Path:
        """``(N,)`` int32 cluster of each patch of the training split in an epoch, from 1; -1 for none."""
        return self.assignments / f"epoch_{epoch:05}.npy"

    @property
    def epochs_csv(self) -> Path:
        """How each epoch's clusters agree with those before and with the classes."""
        return self.path / "epochs.csv"

    @property
    def checkpoints(self) -> Path:
        """Folder of training states, for ``--resume``."""
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """State after the last epoch that was finished."""
        return self.checkpoints / "last.pt"

    @property
    def spent(self) -> Path:
        """Seconds that the processes which have worked on it spent."""
        return self.path / "spent.json"

    @property
    def stages(self) -> Path:
        """Folder of the runs that this one started from, if it is the last of a chain."""
        return self.path / "stages"

    @property
    def weights(self) -> Path:
        """Weights of the last epoch."""
        return self.path / "weights.safetensors"

    @property
    def patches(self) -> Path:
        """Folder of patch stores, one subfolder a split."""
        return self.path / "patches"

    @property
    def cluster_counts_csv(self) -> Path:
        """Class x cluster counts as a table."""
        return self.path / "cluster_counts.csv"

    @property
    def cluster_counts_json(self) -> Path:
        """Class x cluster counts in a form for programs."""
        return self.path / "cluster_counts.json"

    @property
    def clusters_csv(self) -> Path:
        """The image, box and cluster of each patch, one a line."""
        return self.path / "clusters.csv"

    @property
    def cluster_ids(self) -> Path:
        """Folder of the maps of cluster ids of objects."""
        return self.maps("clusterIds")

    def maps(self, kind: str) -> Path:
        """Folder of maps of cluster ids: ``clusterIds`` of objects or ``sceneIds`` of whole scenes."""
        return self.path / kind

    @property
    def scene(self) -> "Run":
        """The run that divides whole images into categories, beside the objects."""
        return Run(self.path / "scene")

    @property
    def label_ids(self) -> Path:
        """Folder of Cityscapes labelIds maps alone: the official evaluator searches it recursively."""
        return self.path / "labelIds"

    @property
    def color(self) -> Path:
        """Folder of coloured label maps."""
        return self.path / "color"

    @property
    def overlays(self) -> Path:
        """Folder of frames with the clusters drawn over them."""
        return self.path / "overlays"

    @property
    def retrieval(self) -> Path:
        """Folder of retrieval sheets, one a cluster."""
        return self.path / "retrieval"

    @property
    def prototypes(self) -> Path:
        """Picture of the patch that stands for each cluster."""
        return self.path / "prototypes.png"

    @property
    def confusion(self) -> Path:
        """Picture of the class x cluster counts."""
        return self.path / "confusion.png"

    @property
    def index(self) -> Path:
        """Folder of embeddings and clusters of the evaluation split's patches, for retrieval and export."""
        return self.path / "index"

    @property
    def export(self) -> Path:
        """Folder of exports for other programs."""
        return self.path / "export"

    @property
    def centers(self) -> Path:
        """Cluster centres of the training objects, and the objects' distances to them."""
        return self.path / "centers.safetensors"

    @property
    def report(self) -> Path:
        """The report page."""
        return self.path / "report.html"


def read_metrics_log(path: Path) -> list[dict[str, Any]]:
    """Read ``metrics.jsonl``; a last line that a killed run left half written is skipped.

    Returns:
        One dictionary a line, in order; empty if there is no such file.
    """
    if not path.is_file():
        return []
    records = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records
