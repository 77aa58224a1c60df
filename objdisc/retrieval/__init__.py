"""Retrieval of patches: ranking within clusters, the run's index of embeddings, and detection of unknown objects."""

from objdisc.retrieval.index import Index
from objdisc.retrieval.novelty import Centers
from objdisc.retrieval.ranking import ClusterPatches, rank, sheet, thumbnail
from objdisc.retrieval.search import Hits

__all__ = ["Centers", "ClusterPatches", "Hits", "Index", "rank", "sheet", "thumbnail"]
