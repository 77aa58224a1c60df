"""The base of both versions of DeepCluster: clusters of the whole set as labels, and the K clusters at the end."""

import logging
from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from objdisc.clustering.kmeans import kmeans, soft_assignments, split_largest
from objdisc.clustering.mutual_information import normalized_mutual_information
from objdisc.clustering.neighbors import Distance
from objdisc.errors import ObjdiscError, UsageError
from objdisc.methods.base import Method, Ranks
from objdisc.methods.support.rows import rows_to_cluster
from objdisc.models.encoder import Encoder
from objdisc.types import Prediction

logger = logging.getLogger(__name__)


class PseudoLabelMethod(Method):
    """A method that re-clusters the training images in every epoch and learns to classify its own clusters.

    It usually has many more such pseudo-clusters than K. The K predicted clusters come from k-means on the trained
    method's embeddings after the last epoch.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2.
        overclusters: Pseudo-clusters of an epoch, at least 2.
        clusterings: Number of parallel clusterings in an epoch.
        embedding_dim: Length of an embedding.
        iterations: Most iterations of k-means in an epoch.
        restarts: Starts of the final k-means; the lowest inertia wins.
        seed: Random seed of all clusterings.
    """

    targets: Tensor
    centroids: Tensor
    distance: Distance = "products"

    def __init__(
        self,
        encoder: Encoder,
        num_clusters: int,
        *,
        overclusters: int,
        clusterings: int,
        embedding_dim: int,
        iterations: int,
        restarts: int,
        seed: int,
    ) -> None:
        super().__init__(encoder, num_clusters)
        if overclusters < 2 or min(clusterings, embedding_dim, iterations, restarts) < 1:
            raise UsageError(
                "deepcluster: at least 2 overclusters are needed, and of heads, dimensions, iterations and restarts at "
                "least 1"
            )
        self.overclusters, self.clusterings = overclusters, clusterings
        self.iterations, self.restarts, self.seed = iterations, restarts, seed
        self.nmi_previous: float | None = None
        self.sizes: Tensor | None = None
        self.register_buffer("centroids", torch.zeros(num_clusters, embedding_dim))

    def setup(self, num_samples: int) -> None:
        """Allocate the pseudo-clusters ``(clusterings, N)`` of the rows, -1 where there is none."""
        self.register_buffer("targets", torch.full((self.clusterings, num_samples), -1))

    @abstractmethod
    def prepare(self, ranks: Ranks, rows: Tensor, *, final: bool) -> Tensor:
        """Prepare ``embed`` for the trained encoder, and return the embeddings ``(n, D)`` of the rows.

        Args:
            ranks: The processes that share the training set.
            rows: ``(n,)`` int64.
            final: Whether they will be clustered into the K predicted clusters.
        """

    @torch.no_grad()
    def finish(self, ranks: Ranks) -> None:
        """Cluster the trained method's embeddings of the foreground into K clusters.

        Raises:
            UsageError: There are fewer foreground patches than clusters.
            ObjdiscError: The features are not finite.
        """
        rows = rows_to_cluster(ranks, self.num_clusters)
        points = self.prepare(ranks, rows, final=True)
        found, _ = kmeans(points, self.num_clusters, seed=self.seed, restarts=self.restarts, distance=self.distance)
        self.centroids.copy_(found)

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """Return the embeddings to cluster, ``(B, D)`` float32."""

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return a softmax over negative squared distances to the K centroids, and the embeddings."""
        embedding = self.embed(images)
        return Prediction(soft_assignments(embedding, self.centroids)[:, :, None, None], embedding)

    def cluster(self, points: Tensor, epoch: int, number: int = 0) -> tuple[Tensor, Tensor]:
        """Cluster embeddings into the pseudo-clusters of an epoch; empty ones take half of the largest.

        Args:
            points: ``(n, D)`` float32.
            epoch: From 0.
            number: Number of the clustering within the epoch.

        Returns:
            Centroids ``(overclusters, D)`` and assignments ``(n,)`` int64.

        Raises:
            UsageError: There are fewer points than pseudo-clusters.
            ObjdiscError: A point is not finite.
        """
        if len(points) < self.overclusters:
            raise UsageError(
                f"--method.overclusters {self.overclusters}: there are only {len(points)} foreground patches; lower it"
            )
        seed = self.seed + epoch * self.clusterings + number
        centroids, found = kmeans(
            points, self.overclusters, seed=seed, restarts=1, iterations=self.iterations, distance=self.distance
        )
        centroids, found, filled = split_largest(points, centroids, found, distance=self.distance, seed=seed)
        empty = int((torch.bincount(found, minlength=self.overclusters) == 0).sum())
        if filled or empty:
            logger.info(
                "epoch %d: %d empty clusters took half of the largest one, %d stay empty", epoch + 1, filled, empty
            )
        return centroids, found

    def relabel(self, rows: Tensor, clusterings: Sequence[Tensor]) -> None:
        """Take an epoch's clusters as labels, and record how well the first clustering agrees with the previous one.

        Args:
            rows: ``(n,)`` int64 rows of the data set.
            clusterings: Clusterings of these rows, each ``(n,)`` int64.
        """
        rows = rows.to(self.targets.device)
        before, now = self.targets[0, rows], clusterings[0].to(rows.device)
        self.nmi_previous = normalized_mutual_information(before, now) if int(before.min()) >= 0 else None
        for number, found in enumerate(clusterings):
            self.targets[number, rows] = found.to(rows.device)
        # the largest first: which cluster has which number says nothing from one epoch to the next
        self.sizes = torch.bincount(now, minlength=self.overclusters).sort(descending=True).values

    def terms(self, loss: Tensor, accuracy: Tensor) -> dict[str, Tensor]:
        """Name the terms that a training step logs; occupancy is that of the epoch's pseudo-clusters."""
        terms = {"loss": loss, "accuracy_pseudo": accuracy.detach()}
        if self.sizes is not None:
            terms["occupancy"] = self.sizes
        if self.nmi_previous is not None:
            terms["nmi_previous"] = torch.tensor(self.nmi_previous, device=loss.device)
        return terms


def encode_finite(ranks: Ranks, function: Callable[[Tensor], Tensor], rows: Tensor, view: int | None = None) -> Tensor:
    """Run a function of images over rows, or over a view of them, ``(n, D)`` float32.

    Raises:
        ObjdiscError: A number is not finite.
    """
    found = ranks.encode(function, rows, view)
    if not bool(torch.isfinite(found).all()):
        raise ObjdiscError("deepcluster: the features to cluster are not finite; lower --lr or use --precision fp32")
    return found
