"""SimCLR: Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.clustering.kmeans import kmeans, soft_assignments
from objdisc.errors import UsageError
from objdisc.losses.contrastive import info_nce
from objdisc.methods.base import EpochPlan, Method, Ranks, Views
from objdisc.methods.support.mining import mine
from objdisc.methods.support.rows import rows_to_cluster
from objdisc.models.encoder import Encoder
from objdisc.models.kept import KeptCopy, features_of
from objdisc.types import Batch, Prediction


class SimCLR(Method):
    """Train two views of an image to be more alike than views of different images; k-means clusters the features.

    This is the pretext of SCAN (Van Gansbeke et al. 2020), and by itself the first row of its ablation. The encoder's
    features at unit length are clustered and searched; the projection that the loss compares is dropped, as the paper
    advises.

    With ``neighbors``, the second view may be of another image: one of the first one's neighbours in the current
    features. A sample and its nearest neighbours then become alike too, as in "With a Little Help from My Friends"
    (Dwibedi et al., ICCV 2021), which takes the nearest one of a queue; here neighbours are mined from the whole set,
    as in SCAN, and again every few epochs. This needs a start with good neighbours: ``--init-from`` or pretrained
    weights.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2.
        hidden: Width of the projection's hidden layer.
        embedding_dim: Length of the compared embedding.
        temperature: Temperature of the softmax over cosine similarities.
        restarts: Starts of k-means; the lowest inertia wins.
        neighbors: Number of images that the second view may be of, including the first one's own. With 0, it is always
            its own.
        mining_period: Epochs after which neighbours are mined again.
        kept_side: Side in pixels of the images that a copy of the encoder sees, whose features are used in mining
            besides the encoder's; see ``KeptCopy``. Only the encoder's own features are clustered. 0 for no copy.
        seed: Random seed of k-means.
    """

    centroids: Tensor
    near: Tensor

    def __init__(
        self,
        encoder: Encoder,
        num_clusters: int,
        *,
        hidden: int = 512,
        embedding_dim: int = 128,
        temperature: float = 0.1,
        restarts: int = 10,
        neighbors: int = 0,
        mining_period: int = 2,
        kept_side: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(encoder, num_clusters)
        if min(hidden, embedding_dim, restarts) < 1 or temperature <= 0:
            raise UsageError("simclr: hidden, embedding_dim and restarts start at 1, temperature is above 0")
        if neighbors < 0 or mining_period < 1 or (kept_side and not neighbors):
            raise UsageError("simclr: neighbors starts at 0, mining_period at 1, and kept_side wants neighbors")
        self.temperature, self.restarts, self.seed = temperature, restarts, seed
        self.neighbors, self.mining_period = neighbors, mining_period
        self.views = Views.NEIGHBOR_PAIR if neighbors else Views.AUGMENTED_PAIR
        self.kept_copy = KeptCopy(encoder, kept_side) if kept_side else None
        width = encoder.num_features
        self.projection = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, embedding_dim))
        self.register_buffer("centroids", torch.zeros(num_clusters, width))

    def setup(self, num_samples: int) -> None:
        """Allocate the neighbours of N samples."""
        if self.neighbors:
            self.register_buffer("near", torch.full((num_samples, self.neighbors), -1))

    @torch.no_grad()
    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        """Mine the neighbours if they are due."""
        if self.neighbors and epoch % self.mining_period == 0:
            mined = mine(ranks, lambda images: features_of(images, self.encoder, self.kept_copy), self.neighbors)
            self.near[mined.rows] = mined.rows.to(self.near.device)[mined.places]
        return EpochPlan(partners=self.near if self.neighbors else None)

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        """Return InfoNCE of the pairs of views of the batch's objects."""
        first, second = self.projected(torch.cat([view[batch.foreground] for view in batch.views])).chunk(2)
        return {"loss": info_nce(first, second, self.temperature)}

    def projected(self, images: Tensor) -> Tensor:
        """Return the embedding that the loss compares, ``(B, D)`` float32."""
        features = self.encoder(images).float()
        with torch.autocast(features.device.type, enabled=False):
            projected: Tensor = self.projection(features)
        return projected

    @torch.no_grad()
    def finish(self, ranks: Ranks) -> None:
        """Cluster the embedding of the foreground, and drop the neighbours.

        Raises:
            UsageError: There are fewer foreground patches than clusters.
        """
        rows = rows_to_cluster(ranks, self.num_clusters)
        points = ranks.encode(self.embed, rows)
        found = kmeans(points, self.num_clusters, seed=self.seed, restarts=self.restarts, distance="products")
        self.centroids.copy_(found[0])
        if self.neighbors:
            del self.near

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return a softmax over negative squared distances relative to their mean over the clusters."""
        embedding = self.embed(images)
        return Prediction(soft_assignments(embedding, self.centroids)[:, :, None, None], embedding)

    def embed(self, images: Tensor) -> Tensor:
        """Return the encoder's features ``(B, F)`` float32 at unit length."""
        return F.normalize(self.encoder(images).float(), dim=1)
