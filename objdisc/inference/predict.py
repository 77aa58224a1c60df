"""Predictions of a trained method for patches: cluster probabilities, embeddings, foreground."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from objdisc.inference.acceptance import Acceptance
from objdisc.methods.base import Method
from objdisc.patches.memory import Patches
from objdisc.training.encoding import patches_at_once
from objdisc.training.engine import Machine
from objdisc.training.loader import PatchViews, make_loader
from objdisc.training.options import TrainerOptions
from objdisc.types import Prediction


@dataclass(frozen=True)
class Predictions:
    """Predictions of a method for N patches.

    Attributes:
        probabilities: ``(N, K)`` float32 cluster probabilities.
        features: ``(N, D)`` float32 embeddings.
        foreground: ``(N,)`` float32 probability of being an object; None if the method learns no such head.
        subheads: ``(S, N, K)`` float32 probabilities of all sub-heads; None if there is only one.
        inside: ``(N,)`` float32 expected share of each region that lies on objects; None without an ``Acceptance``.
    """

    probabilities: NDArray[np.float32]
    features: NDArray[np.float32]
    foreground: NDArray[np.float32] | None
    subheads: NDArray[np.float32] | None = None
    inside: NDArray[np.float32] | None = None


class Predictor:
    """Predicts patches with a trained method, one batch at a time.

    Clusters are predicted with backgrounds as in training, foreground with the backgrounds kept.

    Args:
        method: The trained method; it is moved to the device and switched to evaluation mode.
        options: Device, precision and backgrounds.

    Attributes:
        acceptance: What tells how much of a region lies on objects; None to leave that open.
    """

    acceptance: Acceptance | None = None

    def __init__(self, method: Method, options: TrainerOptions) -> None:
        self._machine = Machine.choose(options.device, options.precision)
        self.method = method.to(self._machine.device).eval()
        self._preprocessing = options.preprocessing(method.encoder)

    def __call__(self, patches: Tensor, context: bool = True) -> Predictions:
        """Predict for ``(B, S, S, C + 1)`` uint8 patches; the batch goes through the network at once.

        If the method predicts pixels, a patch's probabilities are the mean over its valid pixels.

        Args:
            patches: The patches.
            context: Whether they are also encoded with their background, to predict the foreground probability.
        """
        said = self._infer(patches, context)
        probabilities = _mean_over_valid(said.probabilities.float(), patches[..., -1].to(said.probabilities.device))
        foreground, several = said.foreground if context else None, said.subheads
        inside = None
        if context and self.acceptance is not None and said.region_features is not None:
            inside = self.acceptance(said.region_features.float().cpu().numpy())
        return Predictions(
            probabilities.cpu().numpy(),
            said.embedding.float().cpu().numpy(),
            None if foreground is None else foreground.float().cpu().numpy(),
            None if several is None else several.float().cpu().numpy(),
            inside,
        )

    def pixels(self, patches: Tensor) -> Tensor:
        """Return the cluster probabilities ``(B, K, h, w)`` float32 of the pixels of ``(B, S, S, C + 1)`` patches."""
        return self._infer(patches).probabilities.float()

    @torch.no_grad()
    def foreground(self, patches: Tensor) -> NDArray[np.float32] | None:
        """Return the probability ``(B,)`` of being an object; None if the method learns no such head."""
        with self._machine.autocast():
            context = self._preprocessing.in_context(patches.to(self._machine.device))
            found = self.method.infer(context, context).foreground
        return None if found is None else found.float().cpu().numpy()

    def region_features(self, patches: Tensor) -> NDArray[np.float32] | None:
        """Return the features ``(B, D)`` of regions and their surroundings; None if the method learns no foreground."""
        found = self._infer(patches).region_features
        return None if found is None else found.float().cpu().numpy()

    @torch.no_grad()
    def _infer(self, patches: Tensor, context: bool = True) -> Prediction:
        patches = patches.to(self._machine.device)
        images, seen = self._preprocessing.both(patches) if context else (self._preprocessing(patches),) * 2
        with self._machine.autocast():
            return self.method.infer(images, seen)


def _mean_over_valid(probabilities: Tensor, masks: Tensor) -> Tensor:
    """Average ``(B, K, h, w)`` over ``(B, S, S)`` masks, ``(B, K)``; with an empty mask, over all pixels."""
    if probabilities.shape[2:] == (1, 1):
        return probabilities[:, :, 0, 0]
    height, width = probabilities.shape[2:]
    weights = F.adaptive_avg_pool2d(masks[:, None].float(), (height, width))  # (B, 1, h, w)
    weights = weights + (weights.sum(dim=(2, 3), keepdim=True) == 0)
    return (probabilities * weights).sum(dim=(2, 3)) / weights.sum(dim=(2, 3))


def predict(
    method: Method,
    store: Patches,
    options: TrainerOptions,
    rows: Sequence[int] | None = None,
    *,
    context: bool = True,
) -> Predictions:
    """Predict cluster probabilities, embeddings and foreground probabilities of a store's patches, in order.

    Args:
        method: The trained method.
        store: N patches.
        options: Device, precision, backgrounds and workers.
        rows: At least one row of the store; None for all.
        context: Whether patches are also encoded with their background; otherwise there is no foreground probability.
    """
    predictor = Predictor(method, options)
    views = PatchViews(store, None, 1, options.seed)
    wanted = np.arange(len(store)) if rows is None else np.asarray(rows)
    # each batch is spread over all rows: neighbours are alike, which statistics of a batch must not show
    batches = -(-len(wanted) // patches_at_once(store.size))
    chunks = [np.arange(start, len(wanted), batches) for start in range(batches)]
    loader = make_loader(
        views, [[(0, int(row)) for row in wanted[chunk]] for chunk in chunks], options.workers, torch.Generator()
    )
    predicted = join_predictions([predictor(patches[0], context) for patches, _, _ in loader])
    return select(predicted, np.argsort(np.concatenate(chunks)))


def select(predictions: Predictions, rows: NDArray[np.int64]) -> Predictions:
    """Return the predictions of some rows, in their order."""
    return Predictions(
        predictions.probabilities[rows],
        predictions.features[rows],
        None if predictions.foreground is None else predictions.foreground[rows],
        None if predictions.subheads is None else predictions.subheads[:, rows],
        None if predictions.inside is None else predictions.inside[rows],
    )


def join_predictions(parts: Sequence[Predictions]) -> Predictions:
    """Concatenate the predictions of several batches, at least one."""
    foreground = [part.foreground for part in parts if part.foreground is not None]
    subheads = [part.subheads for part in parts if part.subheads is not None]
    inside = [part.inside for part in parts if part.inside is not None]
    return Predictions(
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.features for part in parts]),
        np.concatenate(foreground) if foreground else None,
        np.concatenate(subheads, axis=1) if subheads else None,
        np.concatenate(inside) if inside else None,
    )
