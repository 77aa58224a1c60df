"""SCAN: Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels", ECCV 2020 (arXiv 2005.12320)."""

import logging
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.errors import ObjdiscError, UsageError
from objdisc.losses.scan import ScanTerms, scan_loss
from objdisc.methods.base import EpochPlan, Method, Ranks, Views, add_up
from objdisc.methods.support.mining import mine
from objdisc.methods.support.scan_start import start_heads
from objdisc.models.encoder import Encoder
from objdisc.models.heads import SubHeads
from objdisc.models.kept import KeptCopy, features_of, num_features
from objdisc.types import Batch, Prediction

log = logging.getLogger(__name__)


class SCAN(Method):
    """Train a sample and its nearest neighbours in a pretext's features to fall into the same cluster.

    Neighbours are mined once, at the start, by the inner product of the encoder's features at unit length. The encoder
    is that of the run that ``--init-from`` names, of any method, or has its original weights. Then encoder and heads
    are trained together. After each epoch the SCAN loss of all training samples without augmentation is computed, and
    the epoch and head with the lowest loss are kept; no label is used.

    ``discover --method scan`` alone runs the paper's whole chain: SimCLR, this step, self-labelling. With
    ``--init-from`` it runs this step alone.

    Two switches go beyond the paper, both without labels. With ``candidates``, that many heads are first trained on the
    mined features, which takes minutes, and training starts from those with the lowest loss: from random weights a head
    ends in one of many optima. ``kept_side`` adds a copy of the encoder with its original weights: these and the
    pretext's weights together find better neighbours than either alone.

    A deviation: the paper mines neighbours from the 128 numbers after its pretext's projection, this class from the
    features before it, which any pretext and any weights have.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2.
        neighbors: Number of neighbours that are mined for a sample.
        include_self: Whether a sample is one of its own neighbours, as in the published code; otherwise all are other
            samples.
        entropy_weight: Lambda, how strongly clusters of equal size are favoured.
        heads: Number of linear heads that are trained in parallel from different random weights.
        freeze: Part that stays frozen: the whole ``encoder``, or ``nothing``.
        candidates: Number of heads that are trained on the features alone before the first epoch, at least ``heads``;
            the best are taken. With 0, heads start at random.
        kept_side: Side in pixels of the images that the copy of the encoder sees; see ``KeptCopy``. 0 for no copy.
        seed: Random seed of the candidates, and of the neighbours by which the kept epoch is chosen.
    """

    views = Views.NEIGHBOR_PAIR
    default_stages: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "pretext": {"method": "simclr"},
        "scan": {"augmentation": {"ops": 4, "cutout": 0.5}},
        "selflabel": {"method": "selflabel", "augmentation": {"first_crop": 1.0, "ops": 4, "cutout": 0.5}},
    }

    sizes: Tensor
    chosen: Tensor
    near: Tensor
    kept: Tensor
    kept_loss: Tensor

    def __init__(
        self,
        encoder: Encoder,
        num_clusters: int,
        *,
        neighbors: int = 20,
        include_self: bool = True,
        entropy_weight: float = 5.0,
        heads: int = 1,
        freeze: Literal["encoder", "nothing"] = "nothing",
        candidates: int = 0,
        kept_side: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(encoder, num_clusters)
        if min(neighbors, heads) < 1 or entropy_weight < 0:
            raise UsageError("scan: neighbors and heads start at 1, entropy_weight at 0")
        if candidates and candidates < heads:
            raise UsageError(f"scan: candidates {candidates}: none, or at least as many as heads, {heads}")
        self.neighbors, self.include_self = neighbors, include_self
        self.entropy_weight, self.freeze, self.seed = entropy_weight, freeze, seed
        self.candidates = candidates
        self.kept_copy = KeptCopy(encoder, kept_side) if kept_side else None
        self.heads = SubHeads(num_features(encoder, self.kept_copy), num_clusters, heads)
        self.register_buffer("sizes", torch.zeros(heads, num_clusters))
        self.register_buffer("chosen", torch.zeros((), dtype=torch.int64))
        if freeze == "encoder":
            encoder.requires_grad_(False)

    def setup(self, num_samples: int) -> None:
        """Allocate the neighbours of N samples and space for the kept epoch."""
        self.register_buffer("near", torch.full((num_samples, self.neighbors), -1))
        self.register_buffer("kept", torch.zeros_like(self._state()))
        self.register_buffer("kept_loss", torch.tensor(torch.inf))

    def train(self, mode: bool = True) -> Self:
        """Switch modes, but leave a frozen encoder in evaluation mode."""
        super().train(mode)
        if self.freeze == "encoder":
            self.encoder.eval()
        return self

    @torch.no_grad()
    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        """Mine the neighbours before the first epoch; after each, keep the model if its loss is the lowest yet."""
        if epoch == 0:
            mined = mine(ranks, self._features, self.neighbors, include_self=self.include_self)
            self.near[mined.rows] = mined.rows.to(self.near.device)[mined.places]
            if self.candidates:
                start_heads(self.heads, mined.features, mined.places, self.candidates, self.entropy_weight, self.seed)
                told = self.heads(mined.features).transpose(0, 1).flatten(1)
                self._keep_if_lowest(self._terms(told, mined.rows), "at the start")
        else:
            self._keep_if_best(epoch, ranks)
        self.sizes.zero_()
        return EpochPlan(partners=self.near)

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        """Return the SCAN loss, averaged over heads, and its two terms."""
        first, second = self.probabilities(torch.cat([view[batch.foreground] for view in batch.views])).chunk(2, dim=1)
        terms = scan_loss(first, second, self.entropy_weight)
        sizes = F.one_hot(first.detach().argmax(dim=2), self.num_clusters).sum(dim=1)  # (S, K)
        self.sizes += sizes
        logged = {"consistency": terms.consistency, "entropy": terms.entropy}
        shown = {name: term.detach().mean() for name, term in logged.items()} | {"occupancy": sizes[self.chosen]}
        return shown | {"loss": terms.loss.mean()}

    def end_epoch(self, epoch: int, ranks: Ranks) -> Mapping[str, Tensor]:
        """Sum the processes' counts of each head's clusters."""
        add_up(ranks, self.sizes)
        return {}

    @torch.no_grad()
    def finish(self, ranks: Ranks) -> None:
        """Return to the epoch and head with the lowest loss, and drop buffers that only training needs."""
        if int(self.near.max()) >= 0:
            self._keep_if_best(-1, ranks)
            self._restore(self.kept)
        del self.near, self.kept, self.kept_loss

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return the probabilities of the chosen head and of all heads, and features ``(B, F)`` of unit length."""
        features = self._features(images)
        told: Tensor = self.heads(features)
        return Prediction(
            told[self.chosen][:, :, None, None],
            F.normalize(features, dim=1),
            subheads=told if len(self.sizes) > 1 else None,
        )

    def probabilities(self, images: Tensor) -> Tensor:
        """Return the probabilities of every head, ``(S, B, K)`` float32."""
        probabilities: Tensor = self.heads(self._features(images))
        return probabilities

    def _features(self, images: Tensor) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.freeze == "nothing"):
            return features_of(images, self.encoder, self.kept_copy)

    def _keep_if_best(self, epoch: int, ranks: Ranks) -> None:
        when = f"after epoch {epoch}" if epoch > 0 else "after the last epoch"
        self._keep_if_lowest(self._evaluate(ranks), when)

    def _keep_if_lowest(self, terms: ScanTerms, when: str) -> None:
        lowest = terms.loss.min(dim=0)
        if not bool(torch.isfinite(lowest.values)):
            raise ObjdiscError("the SCAN loss of the whole set is not finite; lower --lr or use --precision fp32")
        if bool(lowest.values < self.kept_loss):
            self.kept_loss.copy_(lowest.values)
            self.chosen.copy_(lowest.indices)
            self.kept.copy_(self._state())
        log.info("scan: loss %.4f %s, lowest %.4f", float(lowest.values), when, float(self.kept_loss))

    def _evaluate(self, ranks: Ranks) -> ScanTerms:
        """Compute the loss ``(S,)`` of all training samples, not augmented, each with one fixed random neighbour."""
        rows = ranks.foreground.nonzero()[:, 0]
        told = ranks.encode(lambda images: self.probabilities(images).transpose(0, 1).flatten(1), rows)
        return self._terms(told, rows)

    def _terms(self, flat: Tensor, rows: Tensor) -> ScanTerms:
        """Compute the same from the probabilities ``(n, S K)`` of all heads for these rows, the whole foreground."""
        rows = rows.to(self.near.device)
        heads, clusters = self.sizes.shape
        told = flat.new_zeros(len(self.near), heads * clusters)
        told[rows] = flat
        generator = torch.Generator().manual_seed(self.seed)
        column = torch.randint(self.neighbors, (len(rows),), generator=generator).to(rows.device)
        first, second = (
            told[which].view(-1, heads, clusters).transpose(0, 1) for which in (rows, self.near[rows, column])
        )
        return scan_loss(first, second, self.entropy_weight)

    def _learned(self) -> list[Tensor]:
        """List the tensors that an epoch changes: weights, and statistics of normalisation."""
        modules = (self.heads,) if self.freeze == "encoder" else (self.encoder, self.heads)
        tensors = (tensor for module in modules for tensor in (*module.parameters(), *module.buffers()))
        return [tensor for tensor in tensors if tensor.is_floating_point()]

    def _state(self) -> Tensor:
        return torch.cat([tensor.detach().flatten() for tensor in self._learned()])

    def _restore(self, state: Tensor) -> None:
        learned = self._learned()
        for tensor, saved in zip(learned, torch.split(state, [tensor.numel() for tensor in learned]), strict=True):
            tensor.copy_(saved.view(tensor.shape))
