"""Joint unsupervised learning of representations and clusters: Yang, Parikh and Batra, CVPR 2016.

https://arxiv.org/abs/1604.03628
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.affinity import NeighborGraph, knn_graph
from objdisc.clustering.agglomerative import merge_clusters, start_clusters
from objdisc.clustering.linkage import ClusterGraph
from objdisc.clustering.mutual_information import walk_information
from objdisc.errors import UsageError
from objdisc.losses.triplet import TripletTerms, affinity_triplets, hinge_triplets
from objdisc.methods.base import EpochPlan, Ranks
from objdisc.methods.support.transductive import TransductiveMethod
from objdisc.methods.support.triplet_rows import lay_out_triplets
from objdisc.models.encoder import Encoder
from objdisc.models.pixels import pixel_vectors
from objdisc.types import Batch, Prediction

_STRAYS = 20  # see merge_clusters
_FORMER_KEY = "remembered_answers"  # of ``remembered_assignments`` in weights before 0.2


class JULE(TransductiveMethod):
    """Merge many small clusters in periods; between merges, the network is trained on the current clusters.

    Epoch 0 finds clusters of nearest neighbours on pixels. Every ``period_epochs`` epochs a period ends: features are
    recomputed, and ceil(eta n) merges are made among the n remaining clusters, until there are K. From 3,000 clusters
    to K = 10 with eta = 0.9 the numbers are 300, 30, 10: three periods train before K is reached, and the paper stops
    there. So ``--epochs`` is ``period_epochs`` times the number of periods; further epochs continue training with the K
    clusters, and with fewer epochs the remaining merges are made at the end, on the last features.

    Two assignments are made and scored. SF are the clusters as the periods merged them. RC are the clusters of the
    images clustered again from scratch, on the features of the trained network.

    Where paper and published program differ, a switch selects either: for the triplets, their gamma, and the scaling of
    pixels to unit length. In both forms a batch's loss is the mean over all its triplets, whereas the paper's is a sum
    and the program draws up to 20 negatives for each pair.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2.
        period_epochs: Epochs of a period.
        eta: Share of the clusters that are merged at the end of a period: 0.9, and 0.2 for faces.
        neighbors: K_s, links of an image; fewer if there are fewer images.
        scale: a, the reach of links in units of the mean squared distance of neighbours.
        local_neighbors: K_c, nearest clusters that are considered for a merge, and for triplets of the paper's form.
        local_weight: Weight of the local term: lambda.
        triplets: With ``hinge`` (the program), negatives are all images of other clusters in a shuffled batch, and a
            triplet counts until it keeps the margin. With ``paper``, negatives come from the K_c nearest clusters and
            are placed in the anchor's batch, and differences of affinities count without a margin.
        gamma: Weight of the positive: 2 in the paper, 1 by default in the program.
        margin: Margin of ``hinge``, in squared distances.
        unit_pixels: Whether images are scaled to unit length for the first clusters, as the program does.
        suspect: Share of the mean cluster size below which a final cluster may be outliers: they join the nearest
            clusters if the assignment is then better by a measure without labels; see ``merge_clusters``. Paper and
            program have 0.
        self_tuning: Whether RC is also computed on a second graph, whose links at each image reach as far as its own
            neighbours (``knn_graph``). The assignment whose clusters tell more about walks on the first graph is taken
            (``walk_information``), without labels. Paper and program have only the first graph.
        prediction: Which of the two assignments the method predicts: ``rc`` or ``sf``.
    """

    renamed: ClassVar[Mapping[str, str]] = {"answer": "prediction"}
    remembered: ClassVar[tuple[str, ...]] = (*TransductiveMethod.remembered, "remembered_assignments")

    remembered_assignments: Tensor
    clusters: Tensor
    around: Tensor
    bandwidth: Tensor

    def __init__(
        self,
        encoder: Encoder,
        num_clusters: int,
        *,
        period_epochs: int = 20,
        eta: float = 0.9,
        neighbors: int = 20,
        scale: float = 1.0,
        local_neighbors: int = 5,
        local_weight: float = 1.0,
        triplets: Literal["paper", "hinge"] = "hinge",
        gamma: float = 2.0,
        margin: float = 0.2,
        unit_pixels: bool = True,
        suspect: float = 0.25,
        self_tuning: bool = True,
        prediction: Literal["rc", "sf"] = "rc",
    ) -> None:
        super().__init__(encoder, num_clusters)
        if period_epochs < 1 or not 0 < eta <= 1:
            raise UsageError(f"jule: period_epochs {period_epochs} and eta {eta}: at least 1, and above 0 to 1")
        if neighbors < 1 or local_neighbors < 1 or scale <= 0:
            raise UsageError("jule: neighbors and local_neighbors start at 1, scale is above 0")
        self.period_epochs, self.eta, self.neighbors, self.scale = period_epochs, eta, neighbors, scale
        self.local_neighbors, self.local_weight = local_neighbors, local_weight
        self.triplets, self.gamma, self.margin = triplets, gamma, margin
        self.unit_pixels, self.suspect = unit_pixels, suspect
        self.self_tuning, self.prediction = self_tuning, prediction
        self.register_buffer("remembered_assignments", torch.zeros(2, 0, dtype=torch.int64))

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        former, current = f"{prefix}{_FORMER_KEY}", f"{prefix}remembered_assignments"
        found = {current if key == former else key: value for key, value in state_dict.items()}
        super()._load_from_state_dict(found, prefix, *args)

    def setup(self, num_samples: int) -> None:
        """Allocate the cluster of each sample, and the nearest clusters of each cluster."""
        self.register_buffer("clusters", torch.full((num_samples,), -1))
        self.register_buffer("around", torch.full((num_samples, self.local_neighbors), -1))
        self.register_buffer("bandwidth", torch.ones(()))

    @torch.no_grad()
    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        """Merge clusters on the current features at the start of a period; at the very start, find them."""
        if epoch % self.period_epochs == 0:
            self._merge(epoch, ranks)
        return EpochPlan(rows=self._rows(ranks.generator))

    def _merge(self, epoch: int, ranks: Ranks) -> None:
        rows = ranks.foreground.nonzero()[:, 0]
        if epoch == 0:
            points = ranks.encode(lambda images: pixel_vectors(images, self.encoder, unit=self.unit_pixels), rows)
            graph = knn_graph(points, self.neighbors, self.scale)
            self._take(rows, graph, start_clusters(graph.affinity, self.num_clusters))
        elif (left := self.clusters_left) > self.num_clusters:
            points = ranks.encode(self.embed, rows)
            wanted = max(left - math.ceil(self.eta * left), self.num_clusters)
            graph = knn_graph(points, self.neighbors, self.scale)
            self._take(rows, graph, self._merged(graph, points, self.clusters[rows].cpu().numpy(), wanted))

    def _rows(self, generator: np.random.Generator) -> Tensor | None:
        """Choose rows for the paper's triplets; the program's triplets are those of any shuffled batch."""
        if self.triplets == "hinge":
            return None
        around = self.around[: self.clusters_left].cpu().numpy()
        return torch.from_numpy(lay_out_triplets(self.clusters.cpu().numpy(), around, generator))

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        """Return the loss of the batch's triplets, their number, and the share of active ones.

        Once K clusters are left, occupancy is that of the whole set.
        """
        found = self._triplet_loss(self.embed(batch.views[0]), self.clusters[batch.index])
        left = self.clusters.max() + 1
        terms = {"loss": found.loss, "triplets": found.triplets, "active": found.active, "clusters": left.float()}
        if int(left) == self.num_clusters:
            terms["occupancy"] = torch.bincount(self.clusters[self.clusters >= 0], minlength=self.num_clusters)
        return terms

    @torch.no_grad()
    def finish(self, ranks: Ranks) -> None:
        """Give the images their final clusters: RC from scratch, SF by the remaining merges."""
        rows = ranks.foreground.nonzero()[:, 0]
        points, prints = self.points_and_prints(ranks, rows)
        graph = knn_graph(points, self.neighbors, self.scale)
        merged = self._merged(graph, points, self.clusters[rows].cpu().numpy(), self.num_clusters)
        assignments = {"rc": self._from_scratch(graph, points), "sf": torch.from_numpy(merged).to(points.device)}
        self.remember(points, prints, assignments[self.prediction])
        self.remembered_assignments = torch.stack([assignments["rc"], assignments["sf"]])

    def cluster(self, points: Tensor) -> Tensor:
        """Cluster points from scratch by graph degree linkage with the local term."""
        return self._from_scratch(knn_graph(points, self.neighbors, self.scale), points)

    @torch.no_grad()
    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return the method's prediction, both RC and SF, all one-hot, and the features."""
        embedding = self.embed(images)
        places = self.nearest_remembered(images, embedding)
        both = F.one_hot(self.remembered_assignments[:, places], self.num_clusters).float()
        clusters = self.remembered_clusters[places]
        return Prediction(F.one_hot(clusters, self.num_clusters).float()[:, :, None, None], embedding, subheads=both)

    def embed(self, images: Tensor) -> Tensor:
        """Return the features ``(B, D)`` float32, of unit length."""
        features: Tensor = self.encoder(images).float()
        return F.normalize(features, dim=1)

    @property
    def clusters_left(self) -> int:
        """Current number of clusters after the merges so far."""
        return int(self.clusters.max()) + 1

    def _triplet_loss(self, features: Tensor, clusters: Tensor) -> TripletTerms:
        with torch.autocast(features.device.type, enabled=False):
            if self.triplets == "hinge":
                return hinge_triplets(features, clusters, self.margin, self.gamma)
            around = torch.where((clusters < 0)[:, None], -1, self.around[clusters])
            return affinity_triplets(features, clusters, around, self.bandwidth, self.gamma, self.local_weight)

    def _from_scratch(self, graph: NeighborGraph, points: Tensor) -> Tensor:
        graphs = [graph]
        if self.self_tuning:
            graphs.append(knn_graph(points, self.neighbors, self.scale, self_tuning=True))
        partitions = [
            self._merged(each, points, start_clusters(each.affinity, self.num_clusters), self.num_clusters)
            for each in graphs
        ]
        return torch.from_numpy(max(partitions, key=partial(walk_information, graph.affinity))).to(points.device)

    def _merged(
        self, graph: NeighborGraph, points: Tensor, labels: NDArray[np.int64], wanted: int
    ) -> NDArray[np.int64]:
        return merge_clusters(
            graph.affinity,
            labels,
            wanted,
            points,
            self.local_neighbors,
            self.local_weight,
            strays=_STRAYS,
            suspect=self.suspect if wanted == self.num_clusters else 0.0,
        )

    def _take(self, rows: Tensor, graph: NeighborGraph, labels: NDArray[np.int64]) -> None:
        """Train from now on with these clusters ``(n,)`` of some rows."""
        self.clusters[rows.to(self.clusters.device)] = torch.from_numpy(labels).to(self.clusters.device)
        self.bandwidth.fill_(graph.bandwidth)
        self.around.fill_(-1)
        if self.triplets == "paper":
            found = ClusterGraph(graph.affinity, labels).neighbors(self.local_neighbors)
            self.around[: len(found)] = torch.from_numpy(found).to(self.around.device)
