"""Finding patches again: what shows a cluster, the run's index of embeddings, and how far is too far."""

from objdisc.retrieval.centers import Centers
from objdisc.retrieval.clusters import ClusterPatches, rank, sheet, thumbnail
from objdisc.retrieval.index import Index
from objdisc.retrieval.search import Hits

__all__ = ["Centers", "ClusterPatches", "Hits", "Index", "rank", "sheet", "thumbnail"]
