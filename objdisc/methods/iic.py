"""Invariant information clustering of images: Ji, Henriques, Vedaldi, ICCV 2019 (https://arxiv.org/abs/1807.06653)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.clustering.neighbors import nearest
from objdisc.errors import UsageError
from objdisc.losses.contrastive import info_nce
from objdisc.losses.iid import iid_loss
from objdisc.methods.base import EpochPlan, Method, Ranks, Views, add_up
from objdisc.methods.support.iic_start import start_from_kmeans, start_from_merging, start_from_neighbors
from objdisc.models.encoder import Encoder
from objdisc.models.heads import SubHeads
from objdisc.models.pixels import pixel_vectors
from objdisc.models.sobel import sobel
from objdisc.types import Batch, Prediction


class IIC(Method):
    """Maximise the mutual information between the clusters of two views of an image.

    Head B has the K requested clusters, head A more of them (overclustering), and each has several sub-heads. The
    prediction is that of head B's sub-head with the lowest loss in the last epoch that trained it.

    From random weights, the loss stays for hundreds of epochs in partitions that are confident and wrong. Two switches
    beyond the paper start it elsewhere, without labels; 0 restores the paper's version. In the first ``pretext_epochs``
    the encoder learns to discriminate images (InfoNCE); then k-means on its features starts head A. For ``lead_epochs``
    head A learns alone; then its clusters, merged into as many as head B has so that the most mutual information
    between views is kept, start head B. Views cannot show that two forms of a seven are one digit if no view of one
    looks like the other; with ``merge_neighbors``, other images can: clusters are then merged by how often images and
    their nearest images in pixels fall into both.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2: the clusters of head B.
        overclusters: Clusters of head A.
        subheads: Number of sub-heads of each head.
        order: Which heads learn, one entry an epoch, repeated from the start after the last; ``AB`` trains both at
            once.
        lamb_a: Weight of the marginal entropies in head A's loss; above 1, clusters are pushed towards equal size.
        lamb_b: Weight of the marginal entropies in head B's loss.
        repeats: r, the number of second views that are paired with the first view of an image.
        sobel: Whether the network sees horizontal and vertical derivatives of brightness instead of colour.
        center: Side of the centre crop that prediction uses, as a share of the image's side.
        batchnorm: Normalisation in prediction: by ``running`` statistics of the training, or by those of the ``batch``.
        pretext_epochs: Epochs of InfoNCE before anything is clustered.
        lead_epochs: Epochs after these in which head A learns alone.
        temperature: Temperature of InfoNCE.
        embedding_dim: Length of the embedding that InfoNCE compares and k-means clusters.
        init_samples: Most images that initial clusters are found on.
        merge_neighbors: k: clusters are merged by the agreement of an image with its k nearest in pixels, at unit
            length; 0 merges by the agreement of two views of an image.
        seed: Random seed of the start.
    """

    views = Views.AUGMENTED_PAIR

    losses: Tensor
    sizes: Tensor

    def __init__(
        self,
        encoder: Encoder,
        num_clusters: int,
        *,
        overclusters: int = 50,
        subheads: int = 5,
        order: Sequence[Literal["A", "B", "AB"]] = ("A", "B"),
        lamb_a: float = 1.0,
        lamb_b: float = 1.0,
        repeats: int = 1,
        sobel: bool = False,
        center: float = 1.0,
        batchnorm: Literal["running", "batch"] = "running",
        pretext_epochs: int = 0,
        lead_epochs: int = 0,
        temperature: float = 0.2,
        embedding_dim: int = 64,
        init_samples: int = 10000,
        merge_neighbors: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(encoder, num_clusters)
        if overclusters < num_clusters:
            raise UsageError(f"iic: overclusters {overclusters}: at least --num-clusters {num_clusters}")
        if subheads < 1 or repeats < 1 or not 0 < center <= 1 or min(pretext_epochs, lead_epochs, merge_neighbors) < 0:
            raise UsageError(
                "iic: subheads and repeats start at 1, epochs and merge_neighbors at 0, center is above 0 and at most 1"
            )
        if not order or set(order) - {"A", "B", "AB"}:
            raise UsageError(f"iic: order {list(order)}: give a list of A, B and AB, one entry an epoch")
        self.order, self.repeats, self.sobel, self.center = tuple(order), repeats, sobel, center
        self.lambs = {"A": lamb_a, "B": lamb_b}
        self.batchnorm, self.temperature = batchnorm, temperature
        self.pretext_epochs, self.lead_epochs = pretext_epochs, lead_epochs
        self.init_samples, self.merge_neighbors, self.seed = init_samples, merge_neighbors, seed
        width = encoder.num_features
        self.head_a = SubHeads(width, overclusters, subheads)
        self.head_b = SubHeads(width, num_clusters, subheads)
        self.embedding = nn.Linear(width, embedding_dim)
        self.training_heads = self._heads_of(0)
        self.register_buffer("losses", torch.zeros(subheads))
        self.register_buffer("sizes", torch.zeros(subheads, num_clusters))

    @property
    def num_views(self) -> int:
        """Number of views of an image in a batch: the first, and those that it is paired with."""
        return 1 + self.repeats

    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        """Choose the epoch's heads, and start those from clusters that learn for the first time."""
        self.training_heads = self._heads_of(epoch)
        if 0 < self.pretext_epochs == epoch:
            self._start_head_a(ranks)
        if 0 < self.lead_epochs == epoch - self.pretext_epochs:
            self._start_head_b(ranks)
        if "B" in self.training_heads:
            self.losses.zero_()
            self.sizes.zero_()
        return EpochPlan()

    def end_epoch(self, epoch: int, ranks: Ranks) -> Mapping[str, Tensor]:
        """Sum the processes' counts for head B, if it was its turn.

        Returns:
            Number of images in each cluster of the currently chosen sub-head, when head B last learned.
        """
        if "B" in self.training_heads:
            add_up(ranks, self.losses, self.sizes)
        return {"occupancy": self.sizes[self.chosen]}

    def finish(self, ranks: Ranks) -> None:
        """Start head B if the training ended before its turn, since there must be a prediction."""
        if self.pretext_epochs + self.lead_epochs and not bool(self.sizes.any()):
            if not self.training_heads:
                self._start_head_a(ranks)
            self._start_head_b(ranks)

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        """Return the mean loss of the epoch's heads, and the loss of each; InfoNCE in a pretext epoch."""
        objects = torch.cat([view[batch.foreground] for view in batch.views])
        first, *others = self.features(objects).chunk(len(batch.views))
        # a first view that has several partners counts once for each
        first, second = first.repeat(len(others), 1), torch.cat(others)
        terms: dict[str, Tensor] = {}
        if not self.training_heads:
            terms["loss_pretext"] = info_nce(self.compared(first), self.compared(second), self.temperature)
        for name in self.training_heads:
            head = self.head_a if name == "A" else self.head_b
            z, z_prime = head(first), head(second)  # (S, B, K)
            losses = torch.stack([iid_loss(one, two, self.lambs[name]) for one, two in zip(z, z_prime, strict=True)])
            terms[f"loss_{name}"] = losses.mean()
            if name == "B":
                self._count(z.detach(), losses.detach())
        loss = torch.stack(list(terms.values())).mean()
        # every parameter takes part in every step, if by 0: DistributedDataParallel waits for each of them
        learned = [*self.head_a.parameters(), *self.head_b.parameters(), *self.embedding.parameters()]
        idle = torch.stack([parameter.sum() for parameter in learned]).sum() * 0
        return {name: term.detach() for name, term in terms.items()} | {"loss": loss + idle}

    @property
    def chosen(self) -> int:
        """Head B's sub-head with the lowest loss."""
        return int(self.losses.argmin())

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return the probabilities of the chosen sub-head and those of all sub-heads of head B.

        The embedding is that of the pretext, ``(B, D)``, or the encoder's features ``(B, F)`` without a pretext.
        """
        features = self.features_to_predict(images)
        told: Tensor = self.head_b(features)
        embedding = self.compared(features) if self.pretext_epochs else features
        return Prediction(told[self.losses.argmin()][:, :, None, None], embedding, subheads=told)

    def features_to_predict(self, images: Tensor) -> Tensor:
        """Return the encoder's features ``(B, F)`` of the centre crop, normalised as ``batchnorm`` says."""
        with self._batch_statistics() if self.batchnorm == "batch" else nullcontext():
            return self.features(center_crop(images, self.center))

    def encoder_input(self, images: Tensor) -> Tensor:
        """Return the encoder's input: the centre crop in prediction, and derivatives instead of colour if asked for."""
        images = images if self.training else center_crop(images, self.center)
        return sobel(images) if self.sobel else images

    def features(self, images: Tensor) -> Tensor:
        """Return the encoder's features ``(B, F)`` float32 of images as they are given."""
        features: Tensor = self.encoder(sobel(images) if self.sobel else images).float()
        return features

    def compared(self, features: Tensor) -> Tensor:
        """Return the embedding ``(B, D)`` float32, of unit length, that the pretext compares."""
        with torch.autocast(features.device.type, enabled=False):
            return F.normalize(self.embedding(features.float()), dim=1)

    def _heads_of(self, epoch: int) -> str:
        if epoch < self.pretext_epochs:
            return ""
        past = epoch - self.pretext_epochs - self.lead_epochs
        return "A" if past < 0 else self.order[past % len(self.order)]

    def _count(self, z: Tensor, losses: Tensor) -> None:
        """Sum up a batch's ``(S, B, K)`` probabilities and ``(S,)`` losses of head B."""
        self.losses += losses
        self.sizes += F.one_hot(z.argmax(2), self.num_clusters).sum(1)

    @torch.no_grad()
    def _start_head_a(self, ranks: Ranks) -> None:
        rows = self._sample(ranks)
        features = ranks.encode(self.features_to_predict, rows)
        seen = [ranks.encode(lambda images: self.compared(self.features(images)), rows, view=view) for view in (0, 1)]
        points = self.compared(features) + seen[0] + seen[1]
        start_from_kmeans(self.head_a, features, F.normalize(points, dim=1), self.seed)

    @torch.no_grad()
    def _start_head_b(self, ranks: Ranks) -> None:
        rows = self._sample(ranks)
        features = ranks.encode(self.features_to_predict, rows)
        if self.merge_neighbors:
            others = self._nearest_in_pixels(ranks, rows)
            start_from_neighbors(self.head_b, features, self.head_a(features), others, self.seed)
        else:
            views = [self.head_a(ranks.encode(self.features, rows, view=view)) for view in (0, 1)]
            start_from_merging(self.head_b, features, views[0], views[1], self.seed)

    def _nearest_in_pixels(self, ranks: Ranks, rows: Tensor) -> Tensor:
        """Return for each row the positions ``(n, k)`` in ``rows`` of the rows that look most like it."""
        pixels = ranks.encode(lambda images: pixel_vectors(images, self.encoder, unit=True), rows)
        k = min(self.merge_neighbors, len(rows) - 1)
        return nearest(pixels, pixels, k, exclude_self=True)[0]

    def _sample(self, ranks: Ranks) -> Tensor:
        rows = ranks.foreground.nonzero()[:, 0]
        generator = torch.Generator().manual_seed(self.seed)
        return rows[torch.randperm(len(rows), generator=generator)[: self.init_samples].sort().values]

    @contextmanager
    def _batch_statistics(self) -> Iterator[None]:
        """Make batch normalisation use the batch's statistics within the block, without recording them."""
        layers = [module for module in self.encoder.modules() if isinstance(module, nn.BatchNorm2d)]
        before = [(layer.training, layer.track_running_stats) for layer in layers]
        for layer in layers:
            layer.training, layer.track_running_stats = True, False
        try:
            yield
        finally:
            for layer, (training, tracking) in zip(layers, before, strict=True):
                layer.training, layer.track_running_stats = training, tracking


def center_crop(images: Tensor, share: float) -> Tensor:
    """Enlarge the middle of ``(B, C, S, S)`` images, ``share`` of the side, to the full side."""
    if share == 1:
        return images
    side = images.shape[3]
    margin = round(side * (1 - share) / 2)
    middle = images[:, :, margin : side - margin, margin : side - margin]
    return F.interpolate(middle, size=(side, side), mode="bilinear", align_corners=False)
