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
    """Many small clusters of pixels, merged in periods; between merges the network learns from what is merged so far.

    Epoch 0 finds the clusters of nearest neighbours on pixels. Every ``period_epochs`` epochs a period ends: features
    are computed anew, and of the n clusters that are left ceil(eta n) pairs are merged, until there are K. From 3,000
    clusters to K = 10 with eta = 0.9 that is 300, 30, 10: three periods train before K is reached, and the paper stops
    there. So ``--epochs`` is ``period_epochs`` times the number of periods; further epochs go on training with the K
    clusters that were reached, and with fewer the merges that are left are done at the end, on the last features.

    Two assignments are made and scored. SF: the clusters as the periods merged them. RC: the images clustered once more
    from scratch, on the features of the trained network.

    Where paper and published program differ, a switch takes either: the triplets, their gamma, and whether pixels are
    scaled to unit length. In both forms a batch's loss is the mean over all its triplets, where the paper's is a sum
    and the program draws up to 20 negatives for each pair.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2.
        period_epochs: Epochs of a period.
        eta: Share of the clusters that the end of a period merges: 0.9, and 0.2 for faces.
        neighbors: K_s, links of an image; fewer where there are fewer images.
        scale: a, how far links reach, in units of the mean squared distance of neighbours.
        local_neighbors: K_c, clusters that a merge, and a triplet of the paper's form, looks at.
        local_weight: Weight of the local term: lambda.
        triplets: ``hinge`` (the program): any other image of a shuffled batch is a negative, and a triplet counts until
            it keeps the margin. ``paper``: negatives are of the K_c nearest clusters, laid out beside their anchors,
            and differences of affinities count as they are.
        gamma: Weight of the positive: 2 in the paper; 1 unless told otherwise in the program.
        margin: Margin of ``hinge``, in squared distances.
        unit_pixels: Whether images are scaled to unit length for the first clusters, as the program does.
        suspect: Share of the mean cluster size below which a cluster that is left at the end may be strays: they join
            what is nearest if then, without labels, the assignment is better; see ``merge_clusters``. 0 is the paper's
            and the program's.
        self_tuning: Whether RC is looked for on a second graph, too, whose links reach as far at each image as its own
            neighbours are (``knn_graph``); of the two assignments the one is taken whose clusters tell more of walks on
            the first graph (``walk_information``), without labels. The paper and the program have the first alone.
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
        """Allocate the cluster of each sample, and the clusters around each cluster."""
        self.register_buffer("clusters", torch.full((num_samples,), -1))
        self.register_buffer("around", torch.full((num_samples, self.local_neighbors), -1))
        self.register_buffer("bandwidth", torch.ones(()))

    @torch.no_grad()
    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        """At the start of a period, merge clusters on the features as they are now; at the very start, find them."""
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
        """Lay out the triplets of the paper; the program's are those of any shuffled batch."""
        if self.triplets == "hinge":
            return None
        around = self.around[: self.clusters_left].cpu().numpy()
        return torch.from_numpy(lay_out_triplets(self.clusters.cpu().numpy(), around, generator))

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        """Return the loss of the batch's triplets, their number, and the share of them that counts.

        Once K clusters are left, their occupancy is that of the whole set.
        """
        found = self._triplet_loss(self.embed(batch.views[0]), self.clusters[batch.index])
        left = self.clusters.max() + 1
        terms = {"loss": found.loss, "triplets": found.triplets, "active": found.active, "clusters": left.float()}
        if int(left) == self.num_clusters:
            terms["occupancy"] = torch.bincount(self.clusters[self.clusters >= 0], minlength=self.num_clusters)
        return terms

    @torch.no_grad()
    def finish(self, ranks: Ranks) -> None:
        """Give the images their clusters: RC from scratch, SF by the merges that are left."""
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
        """Return the method's prediction beside both, RC and SF, each as one 1 and else 0; and the features."""
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
        """How many clusters the periods have left so far."""
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
