"""Clustering and projections of plain feature tensors, as functions and as estimators in the manner of scikit-learn.

Names are loaded when they are first asked for, so that importing this package does not wait for torch. ``kmeans`` is
the module; the function is ``kmeans.kmeans``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "GraphDegreeLinkage",
    "KMeans",
    "PCAWhitening",
    "ViewDiscriminant",
    "cluster_points",
    "knn_graph",
    "merge_by_cut",
    "merge_by_information",
    "merge_clusters",
    "most_stable",
    "nearest",
    "nearest_centroid",
    "nearest_chains",
    "normalized_mutual_information",
    "pca_whitening",
    "ridge_classifier",
    "soft_assignments",
    "view_discriminant",
    "walk_information",
]

if TYPE_CHECKING:
    from objdisc.clustering.affinity import knn_graph, nearest_chains
    from objdisc.clustering.agglomerative import GraphDegreeLinkage, merge_clusters
    from objdisc.clustering.classical import cluster_points
    from objdisc.clustering.kmeans import KMeans, soft_assignments
    from objdisc.clustering.merging import merge_by_cut, merge_by_information
    from objdisc.clustering.mutual_information import normalized_mutual_information, walk_information
    from objdisc.clustering.neighbors import nearest, nearest_centroid
    from objdisc.clustering.projections import (
        PCAWhitening,
        ViewDiscriminant,
        pca_whitening,
        ridge_classifier,
        view_discriminant,
    )
    from objdisc.clustering.stability import most_stable
else:
    _MODULES = (
        "neighbors",
        "kmeans",
        "projections",
        "mutual_information",
        "affinity",
        "agglomerative",
        "linkage",
        "merging",
        "classical",
        "stability",
    )

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        if name in __all__:
            for module in map(__getattr__, _MODULES):
                found = vars(module).get(name)
                if found is not None and found.__module__ == module.__name__:  # not what it imports itself
                    return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, *_MODULES})
