"""k-means memory (Hickson et al. 2018): cluster centres as weights, learned together with the embedding."""

import logging
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.clustering.kmeans import centroids_of
from objdisc.clustering.stability import discriminant_projections, most_stable
from objdisc.errors import UsageError
from objdisc.losses.kmeans_memory import (
    Counts,
    agreement_loss,
    balance_loss,
    balanced_targets,
    cluster_counts,
    kmeans_loss,
    squared_distances,
)
from objdisc.methods.base import EpochPlan, Ranks, Views, add_up
from objdisc.methods.support.foreground import ForegroundMethod, Freeze
from objdisc.methods.support.memory_start import FROM_SCRATCH, PRETRAINED, Start, clustered
from objdisc.models.encoder import Encoder
from objdisc.types import Batch, Prediction

logger = logging.getLogger(__name__)


class KMeansMemory(ForegroundMethod):
    """Foreground samples pull memory units and are pulled by them; a head tells foreground from background.

    The paper's objective is equation 5 plus the foreground cross-entropy. Five switches go beyond it, each with the
    value that gives the paper back: ``projection`` (``relu``), ``init`` (``random``), ``normalize`` (False), ``prior``
    (``uniform``) and ``agreement_weight`` (0).

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2.
        embedding_dim: Length of the embedding that is clustered.
        projection: ``discriminant`` starts the embedding layer from the directions that tell objects apart but not
            augmented views of one object; ``linear`` from random weights; ``relu`` adds the rectifier that the
            paper's fully connected layer has; ``batchnorm`` adds batch normalisation, without which the embeddings
            of an encoder that learns from scratch start, and stay, in one place.
        normalize: Whether features and embeddings have unit length, so that shrinking all to 0 is no solution.
        init: Memories start as means of clusters of the first encoded foreground samples: Ward's (``ward``),
            ``kmeans``, or the cells of ``kmeans++`` seeds; or as ``random`` weights.
        init_trials: Random halves of the views that ``discriminant`` tries, and all of them, for stable clusters.
        init_finer: Clusters that ``discriminant`` finds for each that stays: those that views confuse are merged. 1
            merges nothing, which keeps balanced kinds apart better and rare ones worse. auto: 1 where views agree best
            on what is found at once, else 4, 6 and 8 together.
        init_samples: Foreground samples that initialisation looks at, at most.
        init_views: Augmented views of each that ``discriminant`` compares.
        prior: Share that each cluster is expected to hold: ``uniform`` (paper), or ``initial``, the shares of the
            clusters found by ``init``.
        counts: How equation 4 counts: ``soft``, ``ste`` or ``hard`` (literal, without gradient).
        kmeans_weight: Weight of equation 1.
        count_weight: alpha_c, of equation 3.
        l2_weight: alpha_r, of the squared weights.
        l2_on: Whether L_2 sums over the ``memories`` or over ``all`` weights.
        agreement_weight: Weight of the cross-entropy between a view's assignment and the other view's balanced target;
            what an encoder needs that learns from scratch. 0 trains on one view.
        temperature: Temperature of the softmax over similarities.
        epsilon: Entropy of the balanced targets.
        queue_size: Latest foreground embeddings that targets are balanced over.
        foreground_weight: Weight of the foreground cross-entropy.
        freeze: What of a pretrained encoder stays as it is.
        seed: Random seed of the initialisation.
    """

    memories: nn.Parameter
    queue: Tensor
    queue_filled: Tensor
    cluster_prior: Tensor
    wins: Tensor
    initialised: Tensor

    def __init__(
        self,
        encoder: Encoder,
        num_clusters: int,
        *,
        embedding_dim: int = 32,
        projection: Literal["discriminant", "linear", "relu", "batchnorm"] = "discriminant",
        normalize: bool = True,
        init: Start = "ward",
        init_trials: int = 5,
        init_finer: int | Literal["auto"] = "auto",
        init_samples: int = 2000,
        init_views: int = 8,
        prior: Literal["uniform", "initial"] = "initial",
        counts: Counts = "ste",
        kmeans_weight: float = 1.0,
        count_weight: float = 1.0,
        l2_weight: float = 0.0,
        l2_on: Literal["memories", "all"] = "memories",
        agreement_weight: float = 0.0,
        temperature: float = 0.1,
        epsilon: float = 0.05,
        queue_size: int = 1024,
        foreground_weight: float = 1.0,
        freeze: Freeze = "encoder",
        seed: int = 0,
    ) -> None:
        super().__init__(encoder, num_clusters, freeze)
        if projection == "discriminant" and embedding_dim > encoder.num_features:
            raise UsageError(
                f"embedding_dim {embedding_dim}: the encoder has {encoder.num_features} features, and the discriminant "
                "projection no more directions than that; lower it, or take projection linear"
            )
        if init_finer != "auto" and init_finer < 1:
            raise UsageError(f"init_finer {init_finer}: give 1, which merges nothing, or more")
        self.projection, self.normalize, self.prior = projection, normalize, prior
        self.init: Start = init
        self.init_finer: int | Literal["auto"] = init_finer
        self.init_trials, self.init_samples, self.init_views, self.seed = init_trials, init_samples, init_views, seed
        self.counts: Counts = counts
        self.kmeans_weight, self.count_weight, self.agreement_weight = kmeans_weight, count_weight, agreement_weight
        self.l2_weight, self.l2_on, self.foreground_weight = l2_weight, l2_on, foreground_weight
        self.temperature, self.epsilon = temperature, epsilon
        self.views = Views.AUGMENTED_PAIR if agreement_weight else Views.SINGLE
        self.embedding = nn.Linear(encoder.num_features, embedding_dim)
        self.activation = self._make_activation(embedding_dim)
        self.memories = nn.Parameter(F.normalize(torch.randn(num_clusters, embedding_dim), dim=1))
        self.register_buffer("queue", torch.zeros(queue_size, embedding_dim))
        self.register_buffer("queue_filled", torch.zeros((), dtype=torch.int64))
        self.register_buffer("cluster_prior", torch.full((num_clusters,), 1 / num_clusters))
        self.register_buffer("wins", torch.ones(num_clusters))
        self.register_buffer("initialised", torch.zeros((), dtype=torch.bool))

    @classmethod
    def preferences(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask for patches as large as an encoder's weights know, or where it has none for a small one that learns."""
        if settings.get("init_from"):
            return cls.preferred
        return FROM_SCRATCH if settings.get("weights") == "none" else PRETRAINED

    def _make_activation(self, embedding_dim: int) -> nn.Module:
        if self.projection == "relu":
            return nn.ReLU()
        if self.projection == "batchnorm":
            # features of unit length vary little at first: the usual eps of 1e-5 would flatten them
            return nn.BatchNorm1d(embedding_dim, eps=1e-8, affine=False)
        return nn.Identity()

    def project(self, features: Tensor) -> Tensor:
        """Embedding ``(..., D)`` float32 of encoder features ``(..., F)``."""
        with torch.autocast(features.device.type, enabled=False):
            return self._embed(F.normalize(features, dim=-1) if self.normalize else features)

    def _embed(self, features: Tensor) -> Tensor:
        """Embedding of features that have unit length where ``normalize`` asks for it."""
        embeddings: Tensor = self.activation(self.embedding(features))
        return F.normalize(embeddings, dim=-1) if self.normalize else embeddings

    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        """Start memories from the data before the first epoch; later re-seed those that won nothing."""
        if not self.initialised:
            self._initialise(ranks)
            self.initialised.fill_(True)
        else:
            self._reseed()
        self.wins.zero_()
        return super().begin_epoch(epoch, ranks)

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        """Equation 5 with the foreground cross-entropy, and agreement between the two views."""
        objects = [view[batch.foreground] for view in batch.views]
        if batch.context is batch.views[0]:
            features = self.features(torch.cat([batch.context, *objects[1:]]))
            context = features[: len(batch.foreground)]
            features = torch.cat([context[batch.foreground], features[len(batch.foreground) :]])
        else:
            features = self.features(torch.cat([batch.context, *objects]))
            context, features = features[: len(batch.foreground)], features[len(batch.foreground) :]
        terms = self.foreground_terms(context, batch)
        with torch.autocast(features.device.type, enabled=False):
            embeddings = self.project(features)
            distances = squared_distances(embeddings, self.memories)
            counted = cluster_counts(distances, self.counts, self.temperature)
            terms |= {
                "kmeans": kmeans_loss(distances),
                "count": balance_loss(counted, self.cluster_prior),
                "l2": self._squared_weights(),
                "agreement": self._agreement(embeddings, distances),
            }
            loss = (
                self.kmeans_weight * terms["kmeans"]
                + self.count_weight * terms["count"]
                + self.l2_weight * terms["l2"]
                + self.foreground_weight * terms["foreground"]
                + self.agreement_weight * terms["agreement"]
            )
        with torch.no_grad():
            won = cluster_counts(distances, "hard")
            self.wins += won
            self._enqueue(embeddings[: len(objects[0])])
        return {name: term.detach() for name, term in terms.items()} | {"loss": loss, "occupancy": won}

    def end_epoch(self, epoch: int, ranks: Ranks) -> Mapping[str, Tensor]:
        """Add up what memory units have won."""
        add_up(ranks, self.wins)
        return {}

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return a softmax over negative squared distances, relative to their mean if nothing is normalised."""
        features = self.features(images)
        embedding = self.project(features)
        distances = squared_distances(embedding, self.memories)
        if not self.normalize:
            distances = distances / distances.mean(dim=1, keepdim=True).clamp_min(1e-8)
        probabilities = torch.softmax(-0.5 * distances / self.temperature, dim=1)[:, :, None, None]
        return self.with_foreground(Prediction(probabilities, embedding), images, context, features)

    def _squared_weights(self) -> Tensor:
        if self.l2_on == "memories":
            return self.memories.square().sum()
        return torch.stack([parameter.square().sum() for parameter in self.parameters()]).sum()

    def _agreement(self, embeddings: Tensor, distances: Tensor) -> Tensor:
        """Each view predicts the other's balanced assignment.

        Args:
            embeddings: ``(2n, D)`` of the first, then the second views.
            distances: ``(2n, K)``, likewise.
        """
        if self.agreement_weight == 0 or len(embeddings) == 0:
            return distances.sum() * 0
        s1, s2 = (-0.5 * distances).chunk(2)  # for unit vectors, the inner product but for a constant
        with torch.no_grad():
            past = -0.5 * squared_distances(self.queue[: int(self.queue_filled)], self.memories)
            t1 = balanced_targets(torch.cat([s1, past]), self.cluster_prior, self.epsilon)[: len(s1)]
            t2 = balanced_targets(torch.cat([s2, past]), self.cluster_prior, self.epsilon)[: len(s2)]
        return 0.5 * (agreement_loss(s1, t2, self.temperature) + agreement_loss(s2, t1, self.temperature))

    def _enqueue(self, embeddings: Tensor) -> None:
        kept = torch.cat([embeddings, self.queue])[: len(self.queue)]
        self.queue.copy_(kept)
        self.queue_filled.add_(len(embeddings)).clamp_(max=len(self.queue))

    @torch.no_grad()
    def _initialise(self, ranks: Ranks) -> None:
        rows = ranks.foreground.nonzero()[:, 0]
        if len(rows) < self.num_clusters:
            raise UsageError(f"--num-clusters {self.num_clusters}: there are only {len(rows)} foreground patches")
        generator = torch.Generator().manual_seed(self.seed)
        rows = rows[torch.randperm(len(rows), generator=generator)[: self.init_samples].sort().values]
        features = ranks.encode(self.encoder, rows)
        if self.projection == "discriminant":
            views = torch.stack([ranks.encode(self.encoder, rows, view=view) for view in range(self.init_views)])
            self._initialise_discriminant(features, views, generator)
        elif self.init != "random":
            points = self.project(features)
            (clusters,) = clustered(points, [self.num_clusters], self.init, self.seed, generator)
            self.memories.copy_(centroids_of(points, clusters, self.memories))
        if self.prior == "initial":
            assignments = squared_distances(self.project(features), self.memories).argmin(1)
            # a cluster that is expected to stay empty would make the balance term infinite for one sample in it
            counts = torch.bincount(assignments, minlength=self.num_clusters).float().clamp_min(1)
            self.cluster_prior.copy_(counts / counts.sum())

    def _initialise_discriminant(self, features: Tensor, views: Tensor, generator: torch.Generator) -> None:
        """Take the projection, and the memories unless they are random, that change least from view to view."""
        features, views = (F.normalize(given, dim=-1) if self.normalize else given for given in (features, views))
        found = most_stable(
            features,
            views,
            discriminant_projections(views, self.embedding.out_features, self.init_trials, generator),
            self._project_with,
            lambda points, numbers: clustered(points, numbers, self.init, self.seed, generator),
            self.num_clusters,
            self.init_finer,
        )
        self._use(found.weight, found.bias)
        if self.init != "random":
            self.memories.copy_(found.centroids)

    def _project_with(self, weight: Tensor, bias: Tensor, features: Tensor) -> Tensor:
        """``_embed`` under another projection, which stays in place."""
        self._use(weight, bias)
        return self._embed(features)

    def _use(self, weight: Tensor, bias: Tensor) -> None:
        self.embedding.weight.copy_(weight)
        self.embedding.bias.copy_(bias)

    @torch.no_grad()
    def _reseed(self) -> None:
        """Move memories that won nothing to the embeddings that are farthest from any memory."""
        dead = (self.wins == 0).nonzero()[:, 0]
        filled = int(self.queue_filled)
        if len(dead) == 0 or filled == 0:
            return
        for unit in dead.tolist():
            distances = squared_distances(self.queue[:filled], self.memories).min(dim=1).values
            self.memories[unit] = self.queue[int(distances.argmax())]
        logger.warning("memory units %s won no sample in the last epoch and were re-seeded", dead.tolist())
