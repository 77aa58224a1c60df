"""From the loader's raw patches to a method's batches: views on the device, normalised, and warped if asked for."""

from dataclasses import replace

import torch
from torch import Tensor

from objdisc.augmentation.affine import draw_affines, invert, reaches, warp
from objdisc.augmentation.chance import mixed_seeds
from objdisc.methods.base import Method, Views
from objdisc.training.loader import RawBatch
from objdisc.training.options import TrainerOptions
from objdisc.types import Batch


class BatchMaker:
    """Makes the batches of one training.

    Args:
        method: The method; its encoder says how images are normalised, and the method which views it compares.
        options: Options of the training: backgrounds, equalisation, geometry, seed.
        device: Device of the batches.
    """

    def __init__(self, method: Method, options: TrainerOptions, device: torch.device) -> None:
        self._method, self._options, self._device = method, options, device
        self._preprocessing = options.preprocessing(method.encoder)

    def __call__(self, raw: RawBatch, epoch: int) -> Batch:
        """Normalise a batch; the maps of warped views depend only on epoch (from 0), seed and row."""
        patches = raw.views.to(self._device, non_blocking=True)
        first, context = self._preprocessing.both(patches[0])
        views = (first, *(self._preprocessing(view) for view in patches[1:]))
        valid = patches[0, ..., -1] > 127  # (B, S, S)
        batch = Batch(views, raw.rows.to(self._device), raw.foreground.to(self._device), context, valid)
        return self._affine_pair(batch, valid, epoch) if self._method.views is Views.AFFINE_PAIR else batch

    def _affine_pair(self, batch: Batch, valid: Tensor, epoch: int) -> Batch:
        """Warp the second views, and keep the inverse maps."""
        seeds = mixed_seeds(self._options.seed, epoch, batch.index.numpy(force=True))
        maps = draw_affines(self._options.affine, seeds).to(batch.index.device)
        to_first = invert(maps)
        first, second = batch.views
        second = warp(second, maps).contiguous(memory_format=torch.channels_last)
        seen = valid & reaches(to_first, first.shape[3])
        return replace(batch, views=(first, second), valid=seen, to_first=to_first)
