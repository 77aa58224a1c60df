"""Finding patches again: what shows a cluster, the run's index of embeddings, and how far is too far."""

from objdisc.retrieval.centers import Centers
from objdisc.retrieval.clusters import ClusterPatches, rank, sheet, thumbnail
from objdisc.retrieval.index import Index

__all__ = ["Centers", "ClusterPatches", "Index", "rank", "sheet", "thumbnail"]
