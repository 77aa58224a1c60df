"""Classical clustering as a method: the baselines that a deep method is compared with on the same patches."""

import logging
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from objdisc.clustering.classical import Algorithm, cluster_points
from objdisc.clustering.kmeans import soft_assignments
from objdisc.clustering.neighbors import nearest
from objdisc.errors import UsageError
from objdisc.methods.support.transductive import TransductiveMethod
from objdisc.models.encoder import Encoder
from objdisc.models.pixels import pixel_encoder
from objdisc.types import Prediction

log = logging.getLogger(__name__)

_QUADRATIC = ("spectral", "ward")  # time or memory grows with the square of the samples, or worse


class Classical(TransductiveMethod):
    """k-means, spectral clustering, Ward's or graph degree linkage on features of an encoder, which is not trained.

    Training images keep their clusters; other images get the cluster of the nearest centre (``kmeans``) or of the
    nearest training image (all others). ``features`` of an encoder with random weights are the random network that
    papers compare with.

    Args:
        encoder: Maps images to features; not used for ``pixels``.
        num_clusters: K, at least 2.
        algorithm: kmeans, spectral, ward, or gdl.
        space: The clustered vectors: ``features`` of the encoder, or ``pixels`` of the patches, in [0, 1].
        side: Side in pixels to which larger patches are averaged before their pixels are compared; 0 for no averaging.
        neighbors: Links of a sample in the graph of spectral and gdl.
        max_samples: Most training images that spectral and ward cluster, since their cost is quadratic. They are drawn
            at random; the others get the cluster of the nearest one.
        seed: Random seed of that draw, of kmeans and of spectral.
    """

    trains: ClassVar[bool] = False

    def __init__(
        self,
        encoder: Encoder,
        num_clusters: int,
        *,
        algorithm: Algorithm = "kmeans",
        space: Literal["pixels", "features"] = "features",
        side: int = 32,
        neighbors: int = 20,
        max_samples: int = 12_000,
        seed: int = 0,
    ) -> None:
        if max_samples < num_clusters or neighbors < 1 or side < 0:
            raise UsageError(
                f"classical: max_samples is at least --num-clusters {num_clusters}, neighbors at least 1, side not "
                "below 0"
            )
        super().__init__(pixel_encoder(len(encoder.mean), side) if space == "pixels" else encoder, num_clusters)
        self.algorithm: Algorithm = algorithm
        self.neighbors, self.max_samples, self.seed = neighbors, max_samples, seed

    @property
    def exportable(self) -> bool:
        """Whether prediction needs only centres, as with kmeans."""
        return self.algorithm == "kmeans"

    def cluster(self, points: Tensor) -> Tensor:
        """Cluster ``(n, D)`` training points, ``(n,)`` int64 in [0, K).

        Raises:
            UsageError: A value is not finite, or fewer than K points differ from each other.
        """
        limit = self.max_samples if self.algorithm in _QUADRATIC else len(points)
        drawn = np.random.default_rng(self.seed).permutation(len(points))[:limit]
        chosen = torch.from_numpy(np.sort(drawn)).to(points.device)
        if len(chosen) < len(points):
            log.warning(
                "%s clusters %d of %d samples (--method.max-samples); the others get the cluster of the nearest one",
                self.algorithm,
                len(chosen),
                len(points),
            )
        some = points[chosen]
        labels = cluster_points(
            some.cpu().numpy(), self.num_clusters, self.algorithm, neighbors=self.neighbors, seed=self.seed
        )
        found = torch.from_numpy(labels).to(points.device)
        return found if len(chosen) == len(points) else found[nearest(points, some, 1, "euclidean")[0][:, 0]]

    def remember(self, points: Tensor, prints: Tensor, clusters: Tensor) -> None:
        """Keep what prediction needs; for kmeans only the centres, which also predict training images."""
        if self.algorithm == "kmeans":
            members = torch.nn.functional.one_hot(clusters, self.num_clusters).to(points.dtype)  # (n, K)
            points = members.T @ points / members.sum(dim=0)[:, None]
            prints, clusters = prints[:0], torch.arange(self.num_clusters)
        super().remember(points, prints, clusters)

    @torch.no_grad()
    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return probabilities, soft for kmeans and otherwise one-hot, and the clustered vectors.

        Raises:
            UsageError: Nothing was clustered yet.
        """
        if self.algorithm != "kmeans" or not len(self.remembered_points):
            return super().infer(images, context)
        embedding = self.embed(images)
        return Prediction(soft_assignments(embedding, self.remembered_points)[:, :, None, None], embedding)

    def embed(self, images: Tensor) -> Tensor:
        """Return the vectors to cluster, ``(B, D)`` float32."""
        embedding: Tensor = self.encoder(images).float()
        return embedding
