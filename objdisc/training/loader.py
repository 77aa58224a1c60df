"""Batches of views from a patch store: seeded by sample and epoch, the same for any number of workers and ranks."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from objdisc.augmentation.chance import Seeds, mixed_seeds, uniforms
from objdisc.augmentation.repeats import repeat_object
from objdisc.augmentation.views import Augmentation, Augmenter
from objdisc.io.processes import main_module_left_out
from objdisc.patches.memory import Patches


class Item(NamedTuple):
    """A request for ``PatchViews``.

    Attributes:
        epoch: Number that views are seeded by.
        row: Row of the store.
        partner: Row that the second view is of; -1 for ``row`` itself.
        turn: How often the row has already appeared in this epoch.
    """

    epoch: int
    row: int
    partner: int = -1
    turn: int = 0


class RawBatch(NamedTuple):
    """Patches on their way to the device.

    Attributes:
        views: ``(V, B, S, S, 4)`` uint8.
        rows: ``(B,)`` int64 rows of the store.
        foreground: ``(B,)`` bool.
    """

    views: Tensor
    rows: Tensor
    foreground: Tensor


class PatchViews(Dataset[RawBatch]):
    """Views of patches, a batch at a time; the index is an ``Item``, or the start of one: ``(epoch, row)``.

    A view depends only on seed, epoch, row, turn and its own number, not on the rest of the batch.

    Args:
        store: Patches.
        augmentation: Augmentation of views; None gives the patch itself.
        num_views: Number of views of a foreground patch. A background patch is never compared with itself: its further
            views repeat the first.
        seed: Random seed of the run.
        repeat: Probability that a view shows a foreground patch's object several times.
    """

    def __init__(
        self,
        store: Patches,
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

    def __getitem__(self, item: tuple[int, ...]) -> RawBatch:
        """Return the batch of one item."""
        return self.__getitems__([item])

    def __getitems__(self, items: Sequence[tuple[int, ...]]) -> RawBatch:
        """Return the batch of some items, as PyTorch's loader requests it."""
        asked = [Item(*item) for item in items]
        rows = np.array([item.row for item in asked], np.int64)
        foreground = np.asarray(self.foreground[rows])
        patches = [self.images[item.row] for item in asked]
        if self._augmenter is None:
            views = np.stack(patches)[None]
        else:
            views = self._drawn(self._augmenter, asked, patches, foreground)
        return RawBatch(torch.from_numpy(views), torch.from_numpy(rows), torch.from_numpy(foreground))

    def _drawn(
        self, augment: Augmenter, items: list[Item], patches: list[NDArray[np.uint8]], foreground: NDArray[np.bool_]
    ) -> NDArray[np.uint8]:
        """Draw all views ``(V, B, S, S, C + 1)``."""
        # a row's first views of an epoch are the same however often it comes
        parts = np.array([(item.epoch, item.row, item.turn) for item in items]).T
        shown = self._repeated(patches, mixed_seeds(self.seed, *parts[:2]), foreground)
        first = augment(shown, mixed_seeds(self.seed, *parts, 0), first=self.num_views > 1)
        views = np.empty((self.num_views, *first.shape), np.uint8)
        views[:] = first
        objects = np.flatnonzero(foreground)
        others = [
            shown[number] if items[number].partner < 0 else self.images[items[number].partner] for number in objects
        ]
        for view in range(1, self.num_views if others else 1):
            views[view, objects] = augment(others, mixed_seeds(self.seed, *parts[:, objects], view))
        return views

    def _repeated(
        self, patches: list[NDArray[np.uint8]], seeds: Seeds, foreground: NDArray[np.bool_]
    ) -> list[NDArray[np.uint8]]:
        """Show some of the objects several times."""
        if not self.repeat:
            return patches
        chosen = foreground & (uniforms(seeds, 1)[:, 0] < self.repeat)
        generators = (np.random.default_rng(int(seed)) for seed in seeds[chosen])
        again = {number: repeat_object(patches[number], next(generators)) for number in np.flatnonzero(chosen)}
        return [again.get(number, patch) for number, patch in enumerate(patches)]


class EpochBatches:
    """Which rows each batch of an epoch holds: every foreground row once, with background rows in a fixed share.

    Every rank takes its part of each global batch's foreground and background, so that the union over ranks is the
    batch that a single process would take.

    Args:
        foreground: ``(N,)`` bool.
        batch_size: Rows of a global batch.
        background_share: Share of background rows in a batch, in [0, 1); it is lowered if there are too few.
        seed: Random seed of the run.
        rank: Rank of this process.
        world: Number of processes.

    Attributes:
        epoch: Number of the epoch to divide into batches.
        order: Foreground rows of the epoch in order, repeats allowed; None for each once, shuffled.
        partners: ``(N, k)`` rows that the second view of a pair may be of, one of which is drawn for each sample; -1
            for the row itself. None for no other rows.
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
        self.order: NDArray[np.int64] | None = None
        self.partners: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Count the batches of an epoch; an incomplete last one is dropped."""
        rows = len(self._foreground if self.order is None else self.order)
        return max(rows // max(self._foreground_rows, 1), 1)

    def __iter__(self) -> Iterator[list[Item]]:
        """Yield the items of each batch for this rank."""
        generator = np.random.default_rng([self._seed, self.epoch])
        order = generator.permutation(self._foreground) if self.order is None else self.order
        # an order longer than an epoch takes background again
        turns_of_background = -(-len(order) // max(len(self._foreground), 1))
        background = np.concatenate([generator.permutation(self._background) for _ in range(turns_of_background)])
        foreground = self._items(order, self._drawn_partners(order))
        rest = self._items(background, np.full(len(background), -1))
        for batch in range(len(self)):
            objects = foreground[batch * self._foreground_rows : (batch + 1) * self._foreground_rows]
            others = rest[batch * self._background_rows : (batch + 1) * self._background_rows]
            # from both ends, so that no rank has the longer share of both
            yield [
                *_share(objects, self._rank, self._world),
                *_share(others, self._world - 1 - self._rank, self._world),
            ]

    def _drawn_partners(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.partners is None:
            return np.full(len(order), -1)
        # a stream of its own: the order of the rows must not depend on whether they have partners
        column = np.random.default_rng([self._seed, self.epoch, 1]).integers(self.partners.shape[1], size=len(order))
        return np.asarray(self.partners[order, column])

    def _items(self, rows: NDArray[np.int64], partners: NDArray[np.int64]) -> list[Item]:
        seen: Counter[int] = Counter()
        items = []
        for row, partner in zip(rows.tolist(), partners.tolist(), strict=True):
            items.append(Item(self.epoch, row, partner, seen[row]))
            seen[row] += 1
        return items


def _share(items: list[Item], rank: int, world: int) -> list[Item]:
    """Return the part of a rank; parts differ in length by at most one."""
    return items[rank * len(items) // world : (rank + 1) * len(items) // world]


class PatchLoader(DataLoader[RawBatch]):
    """A loader whose spawned processes do not run the calling script again."""

    def __iter__(self) -> Any:
        """Start the processes on the first call, and yield batches."""
        with main_module_left_out():
            return super().__iter__()


def make_loader(
    views: PatchViews,
    batches: EpochBatches | Sequence[list[tuple[int, int]]],
    workers: int,
    generator: torch.Generator | None = None,
) -> PatchLoader:
    """Build a loader whose worker processes live as long as it does.

    Args:
        views: Patches.
        batches: The rows of each batch.
        workers: Number of processes; 0 loads in this one.
        generator: Generator that seeds workers; None for PyTorch's own, whose state advances.
    """
    return PatchLoader(
        views,
        batch_sampler=batches,
        collate_fn=_as_it_is,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_single_threaded,
        generator=generator,
    )


def _as_it_is(batch: Any) -> Any:
    """Return the item of ``PatchViews`` itself, which is a batch already."""
    return batch


def _single_threaded(worker: int) -> None:
    cv2.setNumThreads(0)
