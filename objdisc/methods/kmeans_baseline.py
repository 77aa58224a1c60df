"""The baseline of Hickson et al. (2018): the same training without the clustering objective, then standard k-means."""

import torch
from torch import Tensor

from objdisc.clustering.kmeans import kmeans, soft_assignments
from objdisc.methods.base import Encode
from objdisc.methods.support.foreground import ForegroundMethod, Freeze
from objdisc.models.encoder import Encoder
from objdisc.types import Batch


class KMeansBaseline(ForegroundMethod):
    """Learns foreground against background only; k-means on the features of the foreground comes afterwards.

    With a frozen encoder this is k-means on the pretrained features, as ``methods.classical`` has it too. It stands by
    itself for what that lacks: epochs of training, in which the foreground head and, unless frozen, the encoder learn,
    so that it differs from k-means memory in the objective alone.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2.
        freeze: What of a pretrained encoder stays as it is.
        restarts: Starts of k-means; the lowest inertia wins.
        seed: Of k-means.
    """

    centroids: Tensor

    def __init__(
        self, encoder: Encoder, num_clusters: int, *, freeze: Freeze = "encoder", restarts: int = 10, seed: int = 0
    ) -> None:
        super().__init__(encoder, num_clusters, freeze)
        self.restarts, self.seed = restarts, seed
        self.register_buffer("centroids", torch.zeros(num_clusters, encoder.num_features))

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the foreground head."""
        terms = self.foreground_terms(self.features(batch.context), batch)
        return terms | {"loss": terms["foreground"]}

    @torch.no_grad()
    def finish(self, encode: Encode) -> None:
        """Cluster the features of the foreground."""
        rows = self.rows_to_cluster(encode)
        features = encode(self.encoder, rows)
        self.centroids.copy_(kmeans(features, self.num_clusters, seed=self.seed, restarts=self.restarts)[0])

    def predict(self, images: Tensor) -> Tensor:
        """Softmax over negative squared distances relative to their mean over the clusters, ``(B, K, 1, 1)``."""
        return soft_assignments(self.embed(images), self.centroids)[:, :, None, None]

    def embed(self, images: Tensor) -> Tensor:
        """Return the encoder's features ``(B, F)`` float32."""
        return self.features(images)
