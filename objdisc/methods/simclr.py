"""SimCLR: Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.clustering.kmeans import kmeans, soft_assignments
from objdisc.errors import UsageError
from objdisc.losses.contrastive import info_nce
from objdisc.methods.base import Encode, ImageFunction, Method, Views
from objdisc.models.encoder import Encoder
from objdisc.types import Batch


class SimCLR(Method):
    """Two views of an image should be more alike than those of different images; k-means on what was learned answers.

    The pretext of SCAN (Van Gansbeke et al. 2020), and by itself the first row of its ablation. What is clustered, and
    searched, are the encoder's features at unit length; the projection that the loss compares is left behind, as the
    paper advises.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2.
        hidden: Width of the projection's hidden layer.
        embedding_dim: Length of what is compared.
        temperature: Of the softmax over cosine similarities.
        restarts: Starts of k-means; the lowest inertia wins.
        seed: Of k-means.
    """

    views = Views.AUGMENTED_PAIR

    centroids: Tensor

    def __init__(
        self,
        encoder: Encoder,
        num_clusters: int,
        *,
        hidden: int = 512,
        embedding_dim: int = 128,
        temperature: float = 0.1,
        restarts: int = 10,
        seed: int = 0,
    ) -> None:
        super().__init__(encoder, num_clusters)
        if min(hidden, embedding_dim, restarts) < 1 or temperature <= 0:
            raise UsageError("simclr: hidden, embedding_dim and restarts start at 1, temperature is above 0")
        self.temperature, self.restarts, self.seed = temperature, restarts, seed
        width = encoder.num_features
        self.projection = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, embedding_dim))
        self.register_buffer("centroids", torch.zeros(num_clusters, width))

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """InfoNCE of the two views of the batch's objects."""
        first, second = self.projected(torch.cat([view[batch.foreground] for view in batch.views])).chunk(2)
        return {"loss": info_nce(first, second, self.temperature)}

    def projected(self, images: Tensor) -> Tensor:
        """Return what the loss compares, ``(B, D)`` float32."""
        features = self.encoder(images).float()
        with torch.autocast(features.device.type, enabled=False):
            projected: Tensor = self.projection(features)
        return projected

    @torch.no_grad()
    def finish(self, encode: Encode) -> None:
        """Cluster the embedding of the foreground.

        Raises:
            UsageError: There are fewer foreground patches than clusters.
        """
        rows = self.rows_to_cluster(encode)
        points = encode(ImageFunction(self, self.embed), rows)
        found = kmeans(points, self.num_clusters, seed=self.seed, restarts=self.restarts, distance="products")
        self.centroids.copy_(found[0])

    def predict(self, images: Tensor) -> Tensor:
        """Softmax over negative squared distances relative to their mean over the clusters, ``(B, K, 1, 1)``."""
        return soft_assignments(self.embed(images), self.centroids)[:, :, None, None]

    def embed(self, images: Tensor) -> Tensor:
        """Return the encoder's features ``(B, F)`` float32 at unit length."""
        return F.normalize(self.encoder(images).float(), dim=1)
