"""What a trained method says about patches: cluster probabilities, embeddings, foreground."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from objdisc.augmentation.views import to_network_input
from objdisc.methods.base import Method
from objdisc.models.encoder import Encoder
from objdisc.patches.store import PatchStore
from objdisc.training.encoding import patches_at_once
from objdisc.training.engine import make_accelerator
from objdisc.training.loader import PatchViews, make_loader
from objdisc.training.options import TrainerOptions


@dataclass(frozen=True)
class Predictions:
    """What a method says about N patches.

    Attributes:
        probabilities: ``(N, K)`` float32 cluster probabilities.
        features: ``(N, D)`` float32 embeddings.
        foreground: ``(N,)`` float32 probability of being an object; None if the method learns no such head.
        subheads: ``(S, N, K)`` float32 probabilities of all sub-heads that the method chose among; None if it had one.
    """

    probabilities: NDArray[np.float32]
    features: NDArray[np.float32]
    foreground: NDArray[np.float32] | None
    subheads: NDArray[np.float32] | None = None


class Predictor:
    """Asks a trained method about patches, one batch at a time.

    Clusters are predicted with backgrounds as in training, foreground with backgrounds kept.

    Args:
        method: Trained; moved to the device and switched to evaluation.
        options: Device, precision and backgrounds.
    """

    def __init__(self, method: Method, options: TrainerOptions) -> None:
        self._accelerator = make_accelerator(options.device, options.precision)
        self._method = method.to(self._accelerator.device).eval()
        self._options = options

    @torch.no_grad()
    def __call__(self, patches: Tensor) -> Predictions:
        """Predict for ``(B, S, S, C + 1)`` uint8 patches; the batch goes through the network at once.

        Of a method that answers for each pixel, a patch's probabilities are the mean over its valid pixels.
        """
        raw, method, options = patches.to(self._accelerator.device), self._method, self._options
        encoder = method.encoder
        images = to_network_input(raw, options.background, encoder.mean, encoder.std, options.equalization)
        seen_alike = options.background == "keep" and options.equalization == 0
        context = images if seen_alike else to_network_input(raw, "keep", encoder.mean, encoder.std)
        with self._accelerator.autocast(), ExitStack() as remembering:
            for module in method.modules():
                if isinstance(module, Encoder):
                    remembering.enter_context(module.remembering())
            probabilities = _mean_over_valid(method.predict(images).float(), raw[..., -1]).cpu().numpy()
            features = method.embed(images).float().cpu().numpy()
            likely, several = method.foreground_probability(context), method.predict_subheads(images)
        foreground = None if likely is None else likely.float().cpu().numpy()
        return Predictions(
            probabilities, features, foreground, None if several is None else several.float().cpu().numpy()
        )

    @torch.no_grad()
    def pixels(self, patches: Tensor) -> Tensor:
        """Return the cluster probabilities ``(B, K, h, w)`` float32 of the pixels of ``(B, S, S, C + 1)`` patches."""
        raw, encoder, options = patches.to(self._accelerator.device), self._method.encoder, self._options
        images = to_network_input(raw, options.background, encoder.mean, encoder.std, options.equalization)
        with self._accelerator.autocast():
            return self._method.predict(images).float()


def _mean_over_valid(probabilities: Tensor, masks: Tensor) -> Tensor:
    """Average ``(B, K, h, w)`` over the places of ``(B, S, S)`` masks, ``(B, K)``; with an empty mask, over all."""
    if probabilities.shape[2:] == (1, 1):
        return probabilities[:, :, 0, 0]
    height, width = probabilities.shape[2:]
    weights = F.adaptive_avg_pool2d(masks[:, None].float(), (height, width))  # (B, 1, h, w)
    weights = weights + (weights.sum(dim=(2, 3), keepdim=True) == 0)
    return (probabilities * weights).sum(dim=(2, 3)) / weights.sum(dim=(2, 3))


def predict(
    method: Method, store: PatchStore, options: TrainerOptions, rows: Sequence[int] | None = None
) -> Predictions:
    """Cluster probabilities, embeddings and foreground probabilities of patches of a store, in order.

    Args:
        method: Trained.
        store: N patches.
        options: Device, precision, backgrounds and workers.
        rows: At least one row of the store; None for all.
    """
    predictor = Predictor(method, options)
    views = PatchViews(store, None, 1, options.seed)
    wanted = np.arange(len(store)) if rows is None else np.asarray(rows)
    # each batch is spread over all rows: neighbours are alike, which statistics of a batch must not show
    batches = -(-len(wanted) // patches_at_once(store.size))
    chunks = [np.arange(start, len(wanted), batches) for start in range(batches)]
    loader = make_loader(views, [[(0, int(row)) for row in wanted[chunk]] for chunk in chunks], options.workers)
    predicted = join_predictions([predictor(patches[0]) for patches, _, _ in loader])
    return select(predicted, np.argsort(np.concatenate(chunks)))


def select(predictions: Predictions, rows: NDArray[np.int64]) -> Predictions:
    """Return the predictions of some rows, in their order."""
    return Predictions(
        predictions.probabilities[rows],
        predictions.features[rows],
        None if predictions.foreground is None else predictions.foreground[rows],
        None if predictions.subheads is None else predictions.subheads[:, rows],
    )


def join_predictions(parts: Sequence[Predictions]) -> Predictions:
    """Put the predictions of several batches, at least one, behind each other."""
    foreground = [part.foreground for part in parts if part.foreground is not None]
    subheads = [part.subheads for part in parts if part.subheads is not None]
    return Predictions(
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.features for part in parts]),
        np.concatenate(foreground) if foreground else None,
        np.concatenate(subheads, axis=1) if subheads else None,
    )
