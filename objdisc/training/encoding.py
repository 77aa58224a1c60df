"""Running a function of images over patches of a store in their order: features for a method's clustering."""

from collections.abc import Callable

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from objdisc.methods.base import Method
from objdisc.models.encoder import PIXELS_AT_ONCE
from objdisc.patches.memory import Patches
from objdisc.training.loader import PatchViews, make_loader
from objdisc.training.options import TrainerOptions

_ENCODING_EPOCH = 2**31  # views for encoding share no seed with views of any epoch


class StoreEncoder:
    """Encodes rows of a patch store; processes share the work. See ``methods.base.Ranks.encode``.

    Args:
        store: Patches.
        method: The method, whose encoder says how images are normalised.
        accelerator: Device, precision, processes.
        options: Options of the training: backgrounds, augmentation, seed, workers.
    """

    def __init__(self, store: Patches, method: Method, accelerator: Accelerator, options: TrainerOptions) -> None:
        self.foreground = torch.from_numpy(store.foreground)
        self._preprocessing = options.preprocessing(method.encoder)
        self._method = method
        self._accelerator = accelerator
        self._batch = patches_at_once(store.size)
        self._plain = PatchViews(store, None, 1, options.seed)
        # copies of an object stand on an empty background, where it would otherwise be seen
        repeat = options.augmentation.repeat if options.background == "blank" else 0.0
        self._augmented = PatchViews(store, options.augmentation, 1, options.seed, repeat)

    @torch.no_grad()
    def __call__(self, function: Callable[[Tensor], Tensor], rows: Tensor, view: int | None = None) -> Tensor:
        """Encode ``rows`` with a module or another function of images: ``(n, D)`` float32 on the training device."""
        switched = function if isinstance(function, nn.Module) else self._method
        was_training = switched.training
        switched.eval()
        encoded = self._encode(function, rows, view)
        switched.train(was_training)
        return encoded

    def _encode(self, function: Callable[[Tensor], Tensor], rows: Tensor, view: int | None) -> Tensor:
        rank, world = self._accelerator.process_index, self._accelerator.num_processes
        share = -(-len(rows) // world)
        # wraps around, so that all shares are equal
        mine = rows[torch.arange(rank * share, (rank + 1) * share) % max(len(rows), 1)]
        views = self._plain if view is None else self._augmented
        batches = [
            [(_ENCODING_EPOCH + (view or 0), int(row)) for row in chunk] for chunk in torch.split(mine, self._batch)
        ]
        parts = [self._forward(function, patches) for patches, _, _ in make_loader(views, batches, workers=0)]
        gathered: Tensor = self._accelerator.gather(torch.cat(parts))
        return gathered[: len(rows)]

    def _forward(self, function: Callable[[Tensor], Tensor], patches: Tensor) -> Tensor:
        images = self._preprocessing(patches[0].to(self._accelerator.device))
        with self._accelerator.autocast():
            return function(images).float()


def patches_at_once(size: int) -> int:
    """Return how many patches of ``size`` x ``size`` pixels may go through a network together."""
    return min(max(PIXELS_AT_ONCE // size**2, 1), 256)
