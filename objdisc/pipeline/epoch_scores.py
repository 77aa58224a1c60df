"""Agreement of the clusters that a method trained on with those of the previous epoch and with the classes."""

import csv
import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from objdisc.clustering.mutual_information import normalized_mutual_information
from objdisc.datasets import ImageDataset
from objdisc.errors import UnreadableImageError
from objdisc.evaluation.annotated import labelled
from objdisc.evaluation.counts import patch_labels
from objdisc.io.files import atomic_write
from objdisc.io.run import Run, read_metrics_log
from objdisc.patches.store import PatchStore

log = logging.getLogger("objdisc")

_COLUMNS = ("epoch", "clusters", "nmi_previous", "nmi_labels")


def score_epochs(
    run: Run, folder: Run, dataset: ImageDataset, store: PatchStore, rows: NDArray[np.int64] | None = None
) -> list[dict[str, Any]]:
    """Compare each epoch's clusters with those of the previous epoch, and with the classes if there are any.

    The results never reach the training, which is over. The table is written to ``epochs.csv``.

    Args:
        run: The run, whose ``assignments`` hold the clusters; without any, nothing is read or written.
        folder: Where the results are written.
        dataset: The training split.
        store: Its N patches.
        rows: ``(n,)`` rows of the patches that were trained on; None for all.

    Returns:
        An entry per epoch: ``epoch`` from 1, the number of non-empty ``clusters``, ``nmi_previous`` (except for the
            first) and ``nmi_labels`` (only with classes), normalised by the arithmetic mean of the entropies.
    """
    # an epoch that was interrupted, and not gone on with, has clusters that nothing was learned from
    trained = max((int(record["epoch"]) for record in read_metrics_log(run.metrics_log)), default=1)
    files = [run.assignments_of(epoch) for epoch in range(1, trained + 1) if run.assignments_of(epoch).is_file()]
    if not files:
        return []
    labels = _labels(dataset, store)
    labels = labels if labels is None or rows is None else labels[torch.from_numpy(rows)]
    records: list[dict[str, Any]] = []
    before: torch.Tensor | None = None
    for file in files:
        clusters = torch.from_numpy(np.load(file, allow_pickle=False)).long()
        taken = clusters >= 0
        record: dict[str, Any] = {"epoch": int(file.stem.split("_")[1]), "clusters": len(np.unique(clusters[taken]))}
        if before is not None:
            both = taken & (before >= 0)
            record["nmi_previous"] = normalized_mutual_information(before[both], clusters[both])
        if labels is not None:
            known = taken & (labels >= 0)
            record["nmi_labels"] = normalized_mutual_information(labels[known], clusters[known])
        records.append(record)
        before = clusters
    with atomic_write(folder.epochs_csv) as table:
        writer = csv.DictWriter(table, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
    return records


def _labels(dataset: ImageDataset, store: PatchStore) -> torch.Tensor | None:
    """Read the classes ``(N,)`` of the training split's patches; None if there are none."""
    dataset = labelled(dataset)
    if not dataset.has_ground_truth:
        return None
    try:
        labels = torch.from_numpy(patch_labels(dataset, store.patches))
    except UnreadableImageError as error:
        log.warning("%s; the epochs' clusters are not compared with classes", error)
        return None
    return labels if bool((labels >= 0).any()) else None
