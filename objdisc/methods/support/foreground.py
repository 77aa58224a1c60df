"""The base of methods that learn objects against background: an encoder with a foreground head on its features."""

from dataclasses import replace
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.methods.base import EpochPlan, Method, Ranks
from objdisc.models.encoder import PIXELS_AT_ONCE, Encoder
from objdisc.types import Batch, Prediction

Freeze = Literal["encoder", "batchnorm", "nothing"]


class ForegroundMethod(Method):
    """A method with a linear head on the encoder's features that separates objects from background (section 3.1).

    Batches hold background besides objects. If the training set holds none, for instance because masks cover every
    image, no head is learned: its weights are 0, and no probability of being an object is predicted. The head sees
    objects in their surroundings (``Batch.context``) even if clusters are formed without them: otherwise a blanked
    background would reveal the objects.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2.
        freeze: Part of a pretrained encoder that stays frozen: the whole ``encoder``, its ``batchnorm`` statistics, or
            ``nothing``. An encoder with random weights always learns.
    """

    wants_background: ClassVar[bool] = True

    def __init__(self, encoder: Encoder, num_clusters: int, freeze: Freeze) -> None:
        super().__init__(encoder, num_clusters)
        self.freeze: Freeze = freeze if encoder.origin.pretrained else "nothing"
        self.head = nn.Linear(encoder.num_features, 1)
        self.has_head = True
        # PyTorch gives this function no types
        self.register_load_state_dict_post_hook(lambda module, _: module._note_head())  # type: ignore[no-untyped-call]
        if self.freeze == "encoder":
            encoder.requires_grad_(False)

    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        """Leave the head out if there is no background to learn it from."""
        self.has_head = not bool(ranks.foreground.all())
        if not self.has_head:
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)
        return super().begin_epoch(epoch, ranks)

    def _note_head(self) -> None:
        """Record whether the head was learned; random and learned weights are never all 0."""
        self.has_head = bool(self.head.weight.detach().any())

    def train(self, mode: bool = True) -> Self:
        """Switch modes, but leave frozen parts in evaluation mode."""
        super().train(mode)
        if self.freeze == "encoder":
            self.encoder.eval()
        elif self.freeze == "batchnorm":
            for module in self.encoder.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def features(self, images: Tensor) -> Tensor:
        """Return the encoder's features ``(B, F)`` float32."""
        if self.freeze == "encoder":
            with torch.no_grad():
                return self._frozen_features(images)
        features: Tensor = self.encoder(images).float()
        return features

    def _frozen_features(self, images: Tensor) -> Tensor:
        """Encode a training batch in pieces, without gradients."""
        at_once = max(PIXELS_AT_ONCE // (images.shape[2] * images.shape[3]), 1)
        if not self.training or len(images) <= at_once:
            features: Tensor = self.encoder(images).float()
            return features
        return torch.cat([self.encoder(piece).float() for piece in torch.split(images, at_once)])

    def foreground_terms(self, features: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return cross-entropy and accuracy of the head, with equal weights of both classes for any number of samples.

        The term is 0 if the head is not learned.

        Args:
            features: ``(B, F)`` of ``batch.context``.
            batch: The batch that they were computed from.
        """
        with torch.autocast(features.device.type, enabled=False):
            logits = self.head(features)[:, 0]
            if not self.has_head:
                return {"foreground": 0 * logits.sum()}
            truth = batch.foreground.float()  # (B,)
            share = truth.mean().clamp(1e-6, 1 - 1e-6)
            weights = truth / share + (1 - truth) / (1 - share)
            weights = weights / weights.mean()
            loss = F.binary_cross_entropy_with_logits(logits, truth, weights)
            accuracy = (((logits > 0) == batch.foreground) * weights).mean()
        return {"foreground": loss, "foreground_accuracy": accuracy}

    def with_foreground(self, said: Prediction, images: Tensor, context: Tensor, features: Tensor) -> Prediction:
        """Return a prediction with the probability that a patch holds an object; unchanged if no head was learned.

        The region's features are those of the patch, then those of the same patch with its background.

        Args:
            said: The prediction.
            images: ``(B, C, H, W)``.
            context: The images with their background, which the head sees.
            features: ``(B, F)`` of ``images``.
        """
        if not self.has_head:
            return said
        seen = features if context is images else self.features(context)
        with torch.autocast(images.device.type, enabled=False):
            foreground = torch.sigmoid(self.head(seen)[:, 0])
        return replace(said, foreground=foreground, region_features=torch.cat([features, seen], dim=1))
