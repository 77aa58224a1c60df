"""DeepCluster-v2: Caron, Misra, Mairal, Goyal, Bojanowski, Joulin, NeurIPS 2020 (https://arxiv.org/abs/2006.09882)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.errors import UsageError
from objdisc.methods.base import EpochPlan, Ranks, Views, add_up
from objdisc.methods.support.pseudolabels import PseudoLabelMethod, encode_finite
from objdisc.models.encoder import Encoder
from objdisc.models.sobel import sobel
from objdisc.types import Batch


class DeepClusterV2(PseudoLabelMethod):
    """Train both views of an image to predict the image's cluster in the previous epoch.

    Embeddings are collected during an epoch. Before the next one, spherical k-means clusters them several times in
    parallel; the centroids are the weights of the layers that classify the clusters, so no layer starts from random
    weights.

    The published recipe uses small crops besides the two views; here there are only the two views.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2: the predicted clusters, by spherical k-means on the last embeddings.
        overclusters: Clusters of each clustering.
        heads: Number of parallel clusterings, alternately of the first views and of the second ones.
        embedding_dim: Length of an embedding.
        hidden: Width of the hidden layer before it.
        temperature: Temperature of the softmax over cosines with the centroids.
        sobel: Whether the network sees horizontal and vertical derivatives of brightness instead of colour.
        iterations: Most iterations of k-means in an epoch.
        restarts: Starts of the final k-means; the lowest inertia wins.
        seed: Random seed of all clusterings.
    """

    views = Views.AUGMENTED_PAIR
    distance = "cosine"

    prototypes: Tensor
    bank: Tensor
    collected: Tensor
    counts: Tensor

    def __init__(
        self,
        encoder: Encoder,
        num_clusters: int,
        *,
        overclusters: int = 100,
        heads: int = 3,
        embedding_dim: int = 128,
        hidden: int = 512,
        temperature: float = 0.1,
        sobel: bool = False,
        iterations: int = 10,
        restarts: int = 10,
        seed: int = 0,
    ) -> None:
        super().__init__(
            encoder,
            num_clusters,
            overclusters=overclusters,
            clusterings=heads,
            embedding_dim=embedding_dim,
            iterations=iterations,
            restarts=restarts,
            seed=seed,
        )
        if temperature <= 0 or hidden < 1:
            raise UsageError("deepcluster: temperature is above 0, hidden at least 1")
        self.temperature, self.sobel = temperature, sobel
        self.projector = nn.Sequential(
            nn.Linear(encoder.num_features, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, embedding_dim),
        )
        self.register_buffer("prototypes", torch.zeros(heads, overclusters, embedding_dim))

    def setup(self, num_samples: int) -> None:
        """Allocate targets and, for both views, the bank and an epoch's collection for it, ``(2, N, D)`` each."""
        super().setup(num_samples)
        shape = (self.num_views, num_samples, self.prototypes.shape[2])
        self.register_buffer("bank", torch.zeros(shape))
        self.register_buffer("collected", torch.zeros(shape))
        self.register_buffer("counts", torch.zeros(num_samples))

    @torch.no_grad()
    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        """Cluster the embeddings collected in the previous epoch; for the first epoch, encode two views."""
        rows = ranks.foreground.nonzero()[:, 0]
        at = rows.to(self.bank.device)
        if epoch == 0:
            for view in range(self.num_views):
                self.bank[view, at] = encode_finite(ranks, self.embed, rows, view)
        else:
            # a row of a batch that was left out keeps what it had
            seen = (self.counts > 0)[:, None]
            self.bank.copy_(torch.where(seen, F.normalize(self.collected, dim=2), self.bank))
        found = []
        for head in range(self.clusterings):
            centroids, clusters = self.cluster(self.bank[head % self.num_views, at], epoch, head)
            self.prototypes[head] = centroids
            found.append(clusters)
        self.relabel(rows, found)
        self.collected.zero_()
        self.counts.zero_()
        return EpochPlan(assignments=self.targets[0])

    def end_epoch(self, epoch: int, ranks: Ranks) -> Mapping[str, Tensor]:
        """Merge the embeddings that the processes have collected."""
        add_up(ranks, self.collected, self.counts)
        return {}

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        """Return the mean cross-entropy of both views over all clusterings."""
        rows = batch.index[batch.foreground]
        embeddings = self.embed(torch.cat([view[batch.foreground] for view in batch.views]))  # (V * B, D)
        self._collect(embeddings.detach(), rows)
        targets = self.targets[:, rows].repeat(1, len(batch.views))  # (H, V * B)
        with torch.autocast(embeddings.device.type, enabled=False):
            logits = embeddings @ self.prototypes.mT / self.temperature  # (H, V * B, overclusters)
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        return self.terms(loss, (logits.argmax(2) == targets).float().mean())

    @torch.no_grad()
    def finish(self, ranks: Ranks) -> None:
        """Cluster the foreground into K clusters, and drop buffers that only training needs."""
        super().finish(ranks)
        for name in ("bank", "collected", "counts"):
            setattr(self, name, self.get_buffer(name).new_zeros(0))

    def prepare(self, ranks: Ranks, rows: Tensor, *, final: bool) -> Tensor:
        """Return the embeddings ``(n, D)`` of the images as they are."""
        return encode_finite(ranks, self.embed, rows)

    def embed(self, images: Tensor) -> Tensor:
        """Return the projected features ``(B, D)`` float32 of unit length."""
        features = self.encoder(self.encoder_input(images))
        with torch.autocast(features.device.type, enabled=False):
            return F.normalize(self.projector(features.float()), dim=1)

    def encoder_input(self, images: Tensor) -> Tensor:
        """Return derivatives instead of colour if ``sobel`` is set."""
        return sobel(images) if self.sobel else images

    def _collect(self, embeddings: Tensor, rows: Tensor) -> None:
        for view, part in enumerate(embeddings.chunk(self.num_views)):
            self.collected[view].index_add_(0, rows, part)
        self.counts.index_add_(0, rows, torch.ones_like(rows, dtype=self.counts.dtype))
