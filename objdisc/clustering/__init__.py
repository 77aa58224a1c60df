"""Clustering and projections of plain feature tensors, as functions and as estimators in the manner of scikit-learn.

``kmeans`` is the module; the function is ``kmeans.kmeans``.
"""

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
