"""Running a module over patches in their order: features for a method's clustering, predictions for everybody."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from objdisc.methods.base import Method
from objdisc.store import PatchStore
from objdisc.training.engine import make_accelerator
from objdisc.training.loader import PatchViews, make_loader
from objdisc.training.options import TrainerOptions
from objdisc.transforms import to_network_input

_PIXELS = 256 * 96 * 96  # of one batch: memory is bounded by pixels, whatever the size of patches
_ENCODING_EPOCH = 2**31  # views for encoding share no seed with views of any epoch


@dataclass(frozen=True)
class Predictions:
    """What a method says about N patches.

    Attributes:
        probabilities: ``(N, K)`` float32 cluster probabilities.
        features: ``(N, D)`` float32 embeddings.
        foreground: ``(N,)`` float32 probability of being an object; None if the method learns no such head.
    """

    probabilities: NDArray[np.float32]
    features: NDArray[np.float32]
    foreground: NDArray[np.float32] | None


class StoreEncoder:
    """Encodes rows of a patch store; ranks share the work. See ``methods.base.Encode``.

    Args:
        store: Patches.
        method: Whose encoder says how images are normalised.
        accelerator: Device, precision, processes.
        options: Of the training: backgrounds, augmentation, seed, workers.
    """

    def __init__(self, store: PatchStore, method: Method, accelerator: Accelerator, options: TrainerOptions) -> None:
        self.foreground = torch.from_numpy(store.foreground)
        self._mean, self._std = method.encoder.mean, method.encoder.std
        self._accelerator, self._options = accelerator, options
        self._batch = _batch_size(store)
        self._plain = PatchViews(store, None, 1, options.seed)
        self._augmented = PatchViews(store, options.augmentation, 1, options.seed)

    @torch.no_grad()
    def __call__(self, module: nn.Module, rows: Tensor, view: int | None = None) -> Tensor:
        """Encode ``rows`` with ``module`` in evaluation mode: ``(n, D)`` float32 on the training device."""
        was_training = module.training
        module.eval()
        encoded = self._encode(module, rows, view)
        module.train(was_training)
        return encoded

    def _encode(self, module: Callable[[Tensor], Tensor], rows: Tensor, view: int | None) -> Tensor:
        rank, world = self._accelerator.process_index, self._accelerator.num_processes
        share = -(-len(rows) // world)
        # wraps around, so that all shares are equal
        mine = rows[torch.arange(rank * share, (rank + 1) * share) % max(len(rows), 1)]
        views = self._plain if view is None else self._augmented
        batches = [
            [(_ENCODING_EPOCH + (view or 0), int(row)) for row in chunk] for chunk in torch.split(mine, self._batch)
        ]
        parts = [self._forward(module, patches) for patches, _, _ in make_loader(views, batches, workers=0)]
        gathered: Tensor = self._accelerator.gather(torch.cat(parts))
        return gathered[: len(rows)]

    def _forward(self, module: Callable[[Tensor], Tensor], patches: Tensor) -> Tensor:
        raw, options = patches[0].to(self._accelerator.device), self._options
        images = to_network_input(raw, options.background, self._mean, self._std, options.equalization)
        with self._accelerator.autocast():
            return module(images).float()


@torch.no_grad()
def predict(method: Method, store: PatchStore, options: TrainerOptions) -> Predictions:
    """Cluster probabilities, embeddings and foreground probabilities of every patch of a store.

    Clusters are predicted with backgrounds as in training, foreground with backgrounds kept.

    Args:
        method: Trained.
        store: N patches.
        options: Device, precision, backgrounds and workers.
    """
    accelerator = make_accelerator(options.device, options.precision)
    method.to(accelerator.device).eval()
    views = PatchViews(store, None, 1, options.seed)
    chunks = torch.split(torch.arange(len(store)), _batch_size(store))
    probabilities, features, foreground = [], [], []
    for patches, _, _ in make_loader(views, [[(0, int(row)) for row in chunk] for chunk in chunks], options.workers):
        raw = patches[0].to(accelerator.device)
        encoder = method.encoder
        images = to_network_input(raw, options.background, encoder.mean, encoder.std, options.equalization)
        seen_alike = options.background == "keep" and options.equalization == 0
        context = images if seen_alike else to_network_input(raw, "keep", encoder.mean, encoder.std)
        with accelerator.autocast(), encoder.remembering():
            probabilities.append(method.predict(images)[:, :, 0, 0].float().cpu())
            features.append(method.embed(images).float().cpu())
            likely = method.foreground_probability(context)
            if likely is not None:
                foreground.append(likely.float().cpu())
    return Predictions(
        torch.cat(probabilities).numpy(),
        torch.cat(features).numpy(),
        torch.cat(foreground).numpy() if foreground else None,
    )


def _batch_size(store: PatchStore) -> int:
    return min(max(_PIXELS // store.size**2, 1), 256)
