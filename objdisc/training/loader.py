"""Batches of views out of a patch store: seeded by sample and epoch, the same for any number of workers and ranks."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from objdisc.augmentation.repeats import repeat_object
from objdisc.augmentation.views import Augmentation, Augmenter
from objdisc.io.processes import main_module_left_out
from objdisc.patches.memory import Patches


class Item(NamedTuple):
    """What is asked of ``PatchViews``.

    Attributes:
        epoch: Number that views are seeded by.
        row: Row of the store.
        partner: Row that the second view is of; -1 for ``row`` itself.
        turn: How often the row has come in this epoch before.
    """

    epoch: int
    row: int
    partner: int = -1
    turn: int = 0


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
    """Views of single patches; an item is asked for by an ``Item``, or the start of one: ``(epoch, row)``.

    Args:
        store: Patches.
        augmentation: What views may change; None gives the patch itself.
        num_views: Views of a foreground patch. A background patch is never compared with itself: its further views
            are the first one again.
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

    def __getitem__(self, item: tuple[int, ...]) -> tuple[NDArray[np.uint8], int, bool]:
        """Return ``(V, S, S, 4)`` uint8 views, the row, and whether it is foreground."""
        epoch, row, partner, turn = Item(*item)
        patch = self.images[row]
        foreground = bool(self.foreground[row])
        if self._augmenter is None:
            return np.array(patch)[None], row, foreground
        # a row's first views of an epoch are the same however often it comes
        again = (turn,) if turn else ()
        drawn = self.num_views if foreground else 1
        shown = self._repeated(patch, view_seed(self.seed, epoch, row)) if foreground and self.repeat else patch
        paired = self.num_views > 1
        others = shown if partner < 0 else self.images[partner]
        views = [
            self._augmenter(
                others if view else shown,
                view_seed(self.seed, epoch, row, view, *again),
                first=paired and view == 0,
            )
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

    Every rank takes its run of each global batch's foreground and background, so that the union over ranks is the
    batch that one process would take.

    Args:
        foreground: ``(N,)`` bool.
        batch_size: Rows of a global batch.
        background_share: Share of background rows in a batch, in [0, 1); lowered where there are too few.
        seed: Random seed of the run.
        rank: Rank of this process.
        world: Number of processes.

    Attributes:
        epoch: Number of the epoch to be cut.
        order: Its foreground rows in order, repeats allowed; None for each once, shuffled.
        partners: ``(N, k)`` rows that the second view of a pair may be of, one drawn for each sample; -1 for the row
            itself. None for no others.
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
    """Return the run of a rank; runs differ in length by one at most."""
    return items[rank * len(items) // world : (rank + 1) * len(items) // world]


def collate(items: list[tuple[NDArray[np.uint8], int, bool]]) -> RawBatch:
    """Stack items into a ``RawBatch``."""
    views, rows, foreground = zip(*items, strict=True)
    stacked = torch.from_numpy(np.stack(views, axis=1))  # (V, B, S, S, 4)
    return RawBatch(stacked, torch.tensor(rows), torch.tensor(foreground))


class PatchLoader(DataLoader[tuple[NDArray[np.uint8], int, bool]]):
    """A loader whose processes, where the system starts them anew, do not run the calling script again."""

    def __iter__(self) -> Any:
        """Start the processes, the first time, and yield batches."""
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
        batches: What each batch holds.
        workers: Processes; 0 loads in this one.
        generator: What workers are seeded by; None: PyTorch's own, whose state moves on.
    """
    return PatchLoader(
        views,
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_single_threaded,
        generator=generator,
    )


def _single_threaded(worker: int) -> None:
    cv2.setNumThreads(0)
