"""Batches of views out of a patch store: seeded by sample and epoch, the same for any number of workers and ranks."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from objdisc.repeats import repeat_object
from objdisc.store import PatchStore
from objdisc.transforms import Augmentation, Augmenter


class RawBatch(NamedTuple):
    """Patches as they travel to the device.

    Attributes:
        views: ``(V, B, S, S, 4)`` uint8.
        rows: ``(B,)`` int64 rows of the store.
        foreground: ``(B,)`` bool.
    """

    views: Tensor
    rows: Tensor
    foreground: Tensor


class PatchViews(Dataset[tuple[NDArray[np.uint8], int, bool]]):
    """Views of single patches; an item is asked for by ``(epoch, row)``.

    Args:
        store: Patches.
        augmentation: What views may change; None gives the patch itself.
        num_views: Views of a foreground patch. A background patch is never compared with itself: its further views
            are the first one again.
        seed: Of the run.
        repeat: Probability that a view shows a foreground patch's object several times.
    """

    def __init__(
        self,
        store: PatchStore,
        augmentation: Augmentation | None,
        num_views: int,
        seed: int,
        repeat: float = 0.0,
    ) -> None:
        self.images = store.images
        self.foreground = store.foreground
        self.num_views = num_views
        self.seed = seed
        self.repeat = repeat
        self._augmenter = Augmenter(augmentation, store.size) if augmentation else None

    def __len__(self) -> int:
        """Count the patches."""
        return len(self.foreground)

    def __getitem__(self, item: tuple[int, int]) -> tuple[NDArray[np.uint8], int, bool]:
        """Return ``(V, S, S, 4)`` uint8 views, the row, and whether it is foreground."""
        epoch, row = item
        patch = self.images[row]
        foreground = bool(self.foreground[row])
        if self._augmenter is None:
            return np.array(patch)[None], row, foreground
        drawn = self.num_views if foreground else 1
        shown = self._repeated(patch, view_seed(self.seed, epoch, row)) if foreground and self.repeat else patch
        paired = self.num_views > 1
        views = [
            self._augmenter(shown, view_seed(self.seed, epoch, row, view), first=paired and view == 0)
            for view in range(drawn)
        ]
        return np.stack(views + views[:1] * (self.num_views - drawn)), row, foreground

    def _repeated(self, patch: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng(seed)
        return repeat_object(patch, rng) if rng.random() < self.repeat else patch


def view_seed(*parts: int) -> int:
    """Mix non-negative integers into one 32-bit seed."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


class EpochBatches:
    """Which rows each batch of an epoch holds: every foreground row once, with background rows in a fixed share.

    Every rank takes its stride of each global batch, so that the union over ranks is the batch that one process
    would take.

    Args:
        foreground: ``(N,)`` bool.
        batch_size: Rows of a global batch.
        background_share: Share of background rows in a batch, in [0, 1); lowered where there are too few.
        seed: Of the run.
        rank: Of this process.
        world: Number of processes.
    """

    def __init__(
        self,
        foreground: NDArray[np.bool_],
        batch_size: int,
        background_share: float,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._foreground = np.flatnonzero(foreground)
        self._background = np.flatnonzero(~foreground)
        self._seed, self._rank, self._world = seed, rank, world
        wanted = round(batch_size * background_share)
        available = len(self._background) * (batch_size - wanted) // max(len(self._foreground), 1)
        self._background_rows = min(wanted, available)
        self._foreground_rows = min(batch_size - self._background_rows, len(self._foreground))
        self.epoch = 0

    def __len__(self) -> int:
        """Count the batches of an epoch; an incomplete last one is dropped."""
        return max(len(self._foreground) // max(self._foreground_rows, 1), 1)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield ``(epoch, row)`` lists for this rank."""
        generator = np.random.default_rng([self._seed, self.epoch])
        foreground = generator.permutation(self._foreground)
        background = generator.permutation(self._background)
        for batch in range(len(self)):
            rows = [
                *foreground[batch * self._foreground_rows : (batch + 1) * self._foreground_rows],
                *background[batch * self._background_rows : (batch + 1) * self._background_rows],
            ]
            yield [(self.epoch, int(row)) for row in rows[self._rank :: self._world]]


def collate(items: list[tuple[NDArray[np.uint8], int, bool]]) -> RawBatch:
    """Stack items into a ``RawBatch``."""
    views, rows, foreground = zip(*items, strict=True)
    stacked = torch.from_numpy(np.stack(views, axis=1))  # (V, B, S, S, 4)
    return RawBatch(stacked, torch.tensor(rows), torch.tensor(foreground))


def make_loader(
    views: PatchViews, batches: EpochBatches | list[list[tuple[int, int]]], workers: int
) -> DataLoader[tuple[NDArray[np.uint8], int, bool]]:
    """Build a loader whose worker processes live as long as it does.

    Args:
        views: Patches.
        batches: What each batch holds.
        workers: Processes; 0 loads in this one.
    """
    return DataLoader(
        views,
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_single_threaded,
    )


def _single_threaded(worker: int) -> None:
    cv2.setNumThreads(0)
