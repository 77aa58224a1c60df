"""Warnings about a clustering, in sentences: from sizes, from the training's log, from augmented views."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_COLLAPSED = 0.8  # share of all patches in one cluster
_CROWDED = 0.5  # the same, where it is also more than three times an even share
_TINY = 0.1  # of an even share
_UNSETTLED = 0.1  # share of the patches that changes clusters in the last epoch
_SWINGING = 4  # epochs to look back; so many steps show whether shares go somewhere or to and fro
_UNSTABLE = 0.6  # share of patches that keep their cluster in an augmented view
_SQUARES = 0.5  # share of regions that are squares without an outline
_ALL = 0.95  # share of patches that are taken for objects
_LISTED = 20


def occupancy_warnings(sizes: Sequence[int]) -> list[str]:
    """Warn of suspicious cluster sizes: one that is too large, empty ones, tiny ones.

    Args:
        sizes: Patches per cluster.

    Returns:
        The warnings, one sentence each.
    """
    found, total = crowding_warnings(sizes), sum(sizes)
    if not total or len(sizes) < 2:
        return found
    empty = [cluster for cluster, size in enumerate(sizes) if not size]
    if empty:
        found.append(
            f"{len(empty)} of {len(sizes)} clusters are empty ({_listed(empty)}): fewer clusters may be enough."
        )
    even = total / len(sizes)
    tiny = [cluster for cluster, size in enumerate(sizes) if 0 < size < _TINY * even]
    if tiny:
        found.append(
            f"{len(tiny)} of {len(sizes)} clusters hold less than a tenth of an even share ({_listed(tiny)}): "
            "rare objects, or outliers. Look before you name them."
        )
    return found


def crowding_warnings(sizes: Sequence[int], what: str = "patches") -> list[str]:
    """Warn if one cluster holds too much.

    Args:
        sizes: Patches per cluster.
        what: What is counted, for the sentence.

    Returns:
        At most one sentence.
    """
    found: list[str] = []
    total = sum(sizes)
    if not total or len(sizes) < 2:
        return found
    largest = int(np.argmax(sizes))
    if sizes[largest] / total > _COLLAPSED:
        found.append(
            f"Cluster {largest} holds {sizes[largest] / total:.0%} of all {what}: the clustering has collapsed, or "
            "one kind of object makes up most of the images. Look at its random patches."
        )
    elif sizes[largest] / total > max(_CROWDED, 3 / len(sizes)):
        found.append(
            f"Cluster {largest} holds {sizes[largest] / total:.0%} of all {what}, more than three times an even "
            "share: different kinds may lie together in it. Look at its random patches, and try more clusters."
        )
    return found


def objectness_warnings(squares: float, said_yes: float | None) -> list[str]:
    """Warn if the clustered regions may not be objects at all.

    Args:
        squares: Share of the regions that are only squares, without an outline, and not the whole image.
        said_yes: Share of all patches, background included, that the run takes for objects; None if unknown.

    Returns:
        The warnings, one sentence each.
    """
    found = []
    if squares > _SQUARES:
        found.append(
            f"Regions do not follow objects: {squares:.0%} are squares without an outline, which hold parts of "
            "several objects or none. Clusters may be of textures and places; give masks, or take --objectness tree."
        )
    if said_yes is not None and said_yes >= _ALL:
        found.append(
            f"The objectness says yes to nearly everything: {said_yes:.0%} of all patches, background included, are "
            "taken for objects. Background is then in the clusters, too; check the masks, or train for more --epochs."
        )
    return found


def training_warnings(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Warn if the clusters were still changing when the training ended.

    Args:
        records: Lines of ``metrics.jsonl``; those with ``occupancy``, K shares of the patches, are used.

    Returns:
        At most one sentence.
    """
    shares = logged_occupancy(records)
    if len(shares) < 2:
        return []
    steps = 0.5 * np.abs(np.diff(shares, axis=0)).sum(axis=1)  # share of the patches that moved, (E - 1,)
    recent = steps[-_SWINGING:]
    net = 0.5 * float(np.abs(shares[-1] - shares[-1 - len(recent)]).sum())
    if len(recent) == _SWINGING and recent.mean() > _UNSETTLED / 2 and net < recent.sum() / 3:
        return [
            f"Unstable: over the last {_SWINGING} epochs {recent.mean():.0%} of the patches an epoch moved between "
            f"clusters, to and fro (in all, only {net:.0%}): lower --lr, or another number of clusters."
        ]
    if steps[-1] > _UNSETTLED:
        return [
            f"Not settled: {steps[-1]:.0%} of the patches still moved between clusters in the last epoch: "
            "more --epochs may change the result."
        ]
    return []


def logged_occupancy(records: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Read the clusters' shares epoch by epoch.

    Returns:
        ``(E, K)``, each row of which sums to 1; ``(0, 0)`` if the log holds none, or if K varies.
    """
    rows = [record["occupancy"] for record in records if isinstance(record.get("occupancy"), list)]
    if not rows or len({len(row) for row in rows}) > 1:
        return np.zeros((0, 0))
    shares = np.array([[float(value or 0) for value in row] for row in rows])
    return np.asarray(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12))


def stability_warnings(kept: Mapping[int, float]) -> list[str]:
    """Warn of clusters that lose their patches when these are augmented.

    Args:
        kept: Cluster to the share of its patches that stay in it in an augmented view, in [0, 1].

    Returns:
        At most one sentence.
    """
    lost = [cluster for cluster, share in sorted(kept.items()) if math.isfinite(share) and share < _UNSTABLE]
    if not lost:
        return []
    return [
        f"Unstable: cropped, flipped or in another light, more than {1 - _UNSTABLE:.0%} of the patches leave "
        f"{'cluster' if len(lost) == 1 else 'clusters'} {_listed(lost)}: expect borders that say little."
    ]


def _listed(clusters: Sequence[int]) -> str:
    return ", ".join(map(str, clusters[:_LISTED])) + (", ..." if len(clusters) > _LISTED else "")
