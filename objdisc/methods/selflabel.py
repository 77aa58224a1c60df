"""Self-labelling: the last step of SCAN, Van Gansbeke et al., ECCV 2020 (arXiv 2005.12320), section 2.3."""

import logging
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.errors import UsageError
from objdisc.losses.scan import curriculum_thresholds, self_label_loss
from objdisc.methods.base import EpochPlan, Method, Ranks, Views, add_up
from objdisc.models.encoder import Encoder
from objdisc.models.heads import SubHeads
from objdisc.models.kept import KeptCopy, features_of, num_features
from objdisc.types import Batch, Prediction

log = logging.getLogger(__name__)


class SelfLabel(Method):
    """Train strongly augmented views to predict the clusters of which the plain views are confident.

    It starts from a run of SCAN, ``--init-from RUN``, with the head that was chosen there. The first view of a pair
    must be plain (``augmentation.first_crop: 1``), the second strongly augmented. The weights of the last epoch
    predict, as in the published code.

    A batch without a confident sample changes no weight. The published code stops there.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2.
        threshold: Probability above which a sample is confident, in (0, 1).
        curriculum: Whether clusters that are seldom confident have a lower threshold, by how many of all samples each
            was confident of when the epoch began (``losses.scan.curriculum_thresholds``). The paper has one threshold
            for all.
        kept_side: As in the run of SCAN.
    """

    views = Views.AUGMENTED_PAIR

    sizes: Tensor
    seen: Tensor
    thresholds: Tensor

    def __init__(
        self,
        encoder: Encoder,
        num_clusters: int,
        *,
        threshold: float = 0.99,
        curriculum: bool = False,
        kept_side: int = 0,
    ) -> None:
        super().__init__(encoder, num_clusters)
        if not 0 < threshold < 1:
            raise UsageError(f"selflabel: threshold {threshold}: must lie between 0 and 1")
        self.threshold, self.curriculum = threshold, curriculum
        self.kept_copy = KeptCopy(encoder, kept_side) if kept_side else None
        self.heads = SubHeads(num_features(encoder, self.kept_copy), num_clusters, 1)
        self.register_buffer("sizes", torch.zeros(num_clusters))
        self.register_buffer("seen", torch.zeros(2))  # batches of the epoch, confident samples in them
        self.register_buffer("thresholds", torch.full((num_clusters,), threshold))

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Load a run's encoder, its kept copy if it has one, and its chosen head.

        Raises:
            UsageError: Its encoder is another one, or its heads are for other features.
        """
        chosen = int(state.get("chosen", torch.zeros(1)))
        heads = {name: value[chosen][None] for name, value in state.items() if name.startswith("heads.")}
        own = self.heads.weight.shape
        if heads and heads["heads.weight"].shape != own:
            raise UsageError(
                f"its heads are for {heads['heads.weight'].shape[2]} features, not {own[2]}, or for other clusters; "
                "give the --num-clusters and --method.kept-side of that run"
            )
        super().start_from({**state, **heads})

    @torch.no_grad()
    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        """Warn if the last epoch learned nothing, reset the counts, and update the thresholds if asked for."""
        self._warn(epoch)
        self.thresholds.fill_(self.threshold)  # another run's may have come with its weights
        if self.curriculum:
            believed = ranks.encode(self.probabilities, ranks.foreground.nonzero()[:, 0])
            self.thresholds.copy_(curriculum_thresholds(believed, self.threshold))
        self.sizes.zero_()
        self.seen.zero_()
        return EpochPlan()

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        """Return the weighted cross-entropy, and the share of samples that were confident."""
        plain, strong = (view[batch.foreground] for view in batch.views)
        with torch.no_grad():
            believed = self.probabilities(plain)
        loss, sure = self_label_loss(believed, self.probabilities(strong), self.thresholds)
        sizes = F.one_hot(believed.argmax(dim=1), self.num_clusters).sum(dim=0)
        self.sizes += sizes
        self.seen += torch.stack([torch.ones_like(self.seen[0]), sure.sum().to(self.seen.dtype)])
        if not bool(sure.any()) and ranks.world == 1:
            # without a gradient the optimiser leaves all weights alone; a gradient of 0 would not stop its momentum,
            # but other processes may have learned something and wait for it
            loss = torch.zeros_like(loss, requires_grad=True)
        return {"loss": loss, "confident": sure.float().mean(), "occupancy": sizes}

    def end_epoch(self, epoch: int, ranks: Ranks) -> Mapping[str, Tensor]:
        """Sum the processes' counts."""
        add_up(ranks, self.sizes, self.seen)
        return {}

    def finish(self, ranks: Ranks) -> None:
        """Warn if the last epoch learned nothing."""
        self._warn(-1)

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return the head's probabilities, and the encoder's features ``(B, F)`` at unit length."""
        features = features_of(images, self.encoder, self.kept_copy)
        return Prediction(self.heads(features)[0][:, :, None, None], F.normalize(features, dim=1))

    def probabilities(self, images: Tensor) -> Tensor:
        """Return the head's probabilities ``(B, K)`` float32."""
        probabilities: Tensor = self.heads(features_of(images, self.encoder, self.kept_copy))[0]
        return probabilities

    def _warn(self, epoch: int) -> None:
        batches, confident = self.seen.tolist()
        if batches and not confident:
            when = f"in epoch {epoch}" if epoch > 0 else "in the last epoch"
            log.warning(
                "selflabel: no sample was more confident than %g %s: nothing was learned; lower --method.threshold, or "
                "start from a run that is more confident (--init-from)",
                self.threshold,
                when,
            )
