"""Files beside the maps of a folder: the meaning of their values, and the counts."""

import csv

import numpy as np

from objdisc.export.cityscapes import cluster_id_depth
from objdisc.io.files import atomic_write, write_json
from objdisc.pipeline.folder_maps import FolderJob, Totals
from objdisc.render.overlay import UNKNOWN_COLOR
from objdisc.types import NOTHING, UNKNOWN


def write_legend(job: FolderJob, totals: Totals) -> None:
    """Write ``legend.csv``: value, name, colour and regions of each cluster in the ``clusterIds/`` maps."""
    depth = cluster_id_depth(len(job.names))
    rows = [(cluster, name, totals.clusters[cluster]) for cluster, name in enumerate(job.names)]
    if job.threshold is not None:
        rows.append((UNKNOWN, "unknown", totals.clusters[UNKNOWN]))
    with atomic_write(job.output.path / "legend.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["value", "cluster", "name", "color", "regions", "distance_threshold"])
        for cluster, name, count in rows:
            shown = cluster if job.style.shown_as is None or cluster == UNKNOWN else int(job.style.shown_as[cluster])
            color = UNKNOWN_COLOR if shown == UNKNOWN else () if shown < 0 else job.style.colors[shown].tolist()
            threshold = job.threshold if cluster == UNKNOWN else None
            value = int(np.int64(cluster).astype(depth))
            text = "".join(f"{part:02x}" for part in color)
            writer.writerow([value, cluster, name, f"#{text}" if text else "", count, threshold])
        writer.writerow([int(np.int64(NOTHING).astype(depth)), NOTHING, "nothing found", "", "", ""])


def write_totals(job: FolderJob, totals: Totals, quantile: float) -> None:
    """Write ``segment.json``: images, regions of each cluster, and the distance above which they are unknown.

    If the run's masks tell which guessed regions lie on objects, it also says what that was learned from.
    """
    counted = [*range(len(job.names)), *([] if job.threshold is None else [UNKNOWN])]
    numbers = {
        "images": totals.images,
        "skipped": totals.skipped,
        "objects": totals.objects,
        "unknown": totals.clusters[UNKNOWN],
        "unknown_quantile": None if job.threshold is None else quantile,
        "unknown_threshold": job.threshold,
        "clusters": {str(cluster): totals.clusters[cluster] for cluster in counted},
        **({} if job.acceptance is None else {"acceptance": dict(job.acceptance)}),
    }
    write_json(job.output.path / "segment.json", numbers)
