"""The baseline of Hickson et al. (2018): the same training without the clustering objective, then standard k-means."""

import torch
from torch import Tensor

from objdisc.clustering.kmeans import kmeans, soft_assignments
from objdisc.methods.base import Ranks
from objdisc.methods.support.foreground import ForegroundMethod, Freeze
from objdisc.methods.support.rows import rows_to_cluster
from objdisc.models.encoder import Encoder
from objdisc.types import Batch, Prediction


class KMeansBaseline(ForegroundMethod):
    """Learns only foreground against background; k-means on the features of the foreground follows.

    With a frozen encoder this is k-means on pretrained features, like ``methods.classical``. Unlike that, it has epochs
    of training, in which the foreground head and, unless frozen, the encoder learn, so that it differs from k-means
    memory only in the objective.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2.
        freeze: Part of a pretrained encoder that stays frozen.
        restarts: Starts of k-means; the lowest inertia wins.
        seed: Random seed of k-means.
    """

    centroids: Tensor

    def __init__(
        self, encoder: Encoder, num_clusters: int, *, freeze: Freeze = "encoder", restarts: int = 10, seed: int = 0
    ) -> None:
        super().__init__(encoder, num_clusters, freeze)
        self.restarts, self.seed = restarts, seed
        self.register_buffer("centroids", torch.zeros(num_clusters, encoder.num_features))

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        """Return the cross-entropy of the foreground head."""
        terms = self.foreground_terms(self.features(batch.context), batch)
        return terms | {"loss": terms["foreground"]}

    @torch.no_grad()
    def finish(self, ranks: Ranks) -> None:
        """Cluster the features of the foreground."""
        rows = rows_to_cluster(ranks, self.num_clusters)
        features = ranks.encode(self.encoder, rows)
        self.centroids.copy_(kmeans(features, self.num_clusters, seed=self.seed, restarts=self.restarts)[0])

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return a softmax over negative squared distances relative to their mean, and the encoder's features."""
        features = self.features(images)
        probabilities = soft_assignments(features, self.centroids)[:, :, None, None]
        return self.with_foreground(Prediction(probabilities, features), images, context, features)
