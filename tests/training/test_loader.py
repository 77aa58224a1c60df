"""Batches: which rows, which views, the same for any number of workers and processes."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from objdisc.augmentation.geometry import Geometry
from objdisc.augmentation.views import Augmentation
from objdisc.patches.store import PatchStore
from objdisc.training.loader import EpochBatches, Item, PatchViews, RawBatch, make_loader


def mixed(foreground: int, background: int) -> NDArray[np.bool_]:
    flags = np.arange(foreground + background) < foreground
    return np.random.default_rng(0).permutation(flags)


def rows_of(batches: EpochBatches) -> list[list[int]]:
    return [[item.row for item in batch] for batch in batches]


@pytest.mark.parametrize(("foreground", "background"), [(100, 100), (100, 7), (7, 100), (30, 0), (5, 3)])
def test_a_row_comes_at_most_once_an_epoch_and_few_objects_are_left_out(foreground: int, background: int) -> None:
    flags = mixed(foreground, background)
    batches = EpochBatches(flags, 16, 0.5, seed=0)
    listed = rows_of(batches)
    rows = [row for batch in listed for row in batch]
    assert len(rows) == len(set(rows))
    assert len(listed) == len(batches) >= 1
    objects = [int(flags[batch].sum()) for batch in listed]
    assert len(set(objects)) == 1
    assert foreground - sum(objects) < max(objects)
    assert max(len(batch) for batch in listed) <= 16


def test_batches_hold_the_share_of_background_that_was_asked_for() -> None:
    flags = mixed(400, 400)
    for share, expected in ((0.5, 16), (0.25, 8), (0.0, 0)):
        for batch in rows_of(EpochBatches(flags, 32, share, seed=0)):
            assert len(batch) == 32
            assert int((~flags[batch]).sum()) == expected


def test_a_shortage_of_background_is_spread_over_the_epoch() -> None:
    flags = mixed(160, 20)
    listed = rows_of(EpochBatches(flags, 32, 0.5, seed=0))
    shares = {int((~flags[batch]).sum()) for batch in listed}
    assert shares == {2}
    assert {len(batch) for batch in listed} == {32}


def test_epochs_differ_and_repeat_by_seed() -> None:
    flags = mixed(100, 100)
    batches, again = EpochBatches(flags, 16, 0.5, seed=3), EpochBatches(flags, 16, 0.5, seed=3)
    first = list(batches)
    batches.epoch = again.epoch = 1
    assert rows_of(batches) != [[item.row for item in batch] for batch in first]
    assert list(batches) == list(again)
    assert {item.epoch for batch in batches for item in batch} == {1}
    assert list(EpochBatches(flags, 16, 0.5, seed=4)) != first


@pytest.mark.parametrize("world", [2, 3, 4])
def test_ranks_partition_the_batch_of_one_process(world: int) -> None:
    flags = mixed(100, 100)
    whole = rows_of(EpochBatches(flags, 24, 0.5, seed=0))
    shares = [rows_of(EpochBatches(flags, 24, 0.5, seed=0, rank=rank, world=world)) for rank in range(world)]
    for number, batch in enumerate(whole):
        parts = [share[number] for share in shares]
        assert sorted(row for part in parts for row in part) == sorted(batch)
        assert len({len(part) for part in parts}) == 1
        assert len({int(flags[part].sum()) for part in parts}) == 1


def test_two_half_batches_hold_the_rows_of_one() -> None:
    flags = mixed(64, 64)
    whole, halves = rows_of(EpochBatches(flags, 32, 0.5, seed=0)), rows_of(EpochBatches(flags, 16, 0.5, seed=0))
    joined = [sorted(halves[2 * number] + halves[2 * number + 1]) for number in range(len(whole))]
    assert joined == [sorted(batch) for batch in whole]


def test_a_laid_out_order_is_cut_one_batch_behind_the_other() -> None:
    flags = mixed(40, 30)
    objects, backgrounds = np.flatnonzero(flags), set(np.flatnonzero(~flags).tolist())
    batches = EpochBatches(flags, 16, 0.25, seed=0)
    batches.order = np.repeat(objects[:10], 9)
    listed = rows_of(batches)
    assert len(batches) == len(listed) == 90 // 12
    assert [row for batch in listed for row in batch[:12]] == batches.order[: 7 * 12].tolist()
    assert all(len(batch) == 16 and set(batch[12:]) <= backgrounds for batch in listed)


@pytest.mark.parametrize("world", [2, 3])
def test_a_rank_takes_a_run_of_a_laid_out_batch(world: int) -> None:
    """What is laid out together, such as a triplet, stays together."""
    flags = mixed(60, 0)
    shares = [EpochBatches(flags, 18, 0.0, seed=0, rank=rank, world=world) for rank in range(world)]
    for share in shares:
        share.order = np.arange(60)
    for start, parts in zip((0, 18, 36), zip(*map(rows_of, shares), strict=True), strict=True):
        assert [row for part in parts for row in part] == list(range(start, start + 18))


def test_partners_are_drawn_anew_for_each_sample_by_seed_and_epoch_alone() -> None:
    flags = mixed(50, 10)
    partners = np.arange(60)[:, None] + 100 * np.arange(1, 9)  # of row r: r + 100 to r + 800

    def drawn(epoch: int, seed: int = 0, **ranks: int) -> list[list[Item]]:
        batches = EpochBatches(flags, 20, 0.2, seed=seed, **ranks)
        batches.partners, batches.epoch = partners, epoch
        return list(batches)

    items = [item for batch in drawn(0) for item in batch]
    assert all(item.partner in partners[item.row] if flags[item.row] else item.partner == -1 for item in items)
    assert len({item.partner // 100 for item in items}) == 9, "all eight come up, and -1"
    assert drawn(0) == drawn(0) != drawn(1)
    assert drawn(0, seed=1) != drawn(0)
    unpaired = EpochBatches(flags, 20, 0.2, seed=0)
    assert rows_of(unpaired) == [[item.row for item in batch] for batch in drawn(0)]
    by_two = [drawn(0, rank=rank, world=2) for rank in range(2)]
    for whole, *parts in zip(drawn(0), *by_two, strict=True):
        assert sorted(item for part in parts for item in part) == sorted(whole)


def test_the_second_view_is_of_the_partner(toy_store: PatchStore) -> None:
    first, second = np.flatnonzero(toy_store.foreground)[:2].tolist()
    nothing = Augmentation(crop_scale=1.0, flip=0.0, jitter=0.0, grey=0.0)
    views = PatchViews(toy_store, nothing, 2, seed=0)
    np.testing.assert_array_equal(views[Item(0, first, second)].views[:, 0], toy_store.images[[first, second]])
    np.testing.assert_array_equal(views[Item(0, first)].views[:, 0], toy_store.images[[first, first]])


def test_a_row_that_comes_again_is_seen_in_another_view(toy_store: PatchStore) -> None:
    row = int(np.flatnonzero(toy_store.foreground)[0])
    batches = EpochBatches(toy_store.foreground, 4, 0.0, seed=0)
    batches.order = np.full(4, row)
    items = next(iter(batches))
    assert [item.turn for item in items] == [0, 1, 2, 3]
    views = PatchViews(toy_store, Augmentation(), 1, seed=0)
    assert len({views[item].views.numpy().tobytes() for item in items}) == 4
    np.testing.assert_array_equal(views[items[0]].views, views[0, row].views)


def loaded(store: PatchStore, workers: int, num_views: int = 2) -> list[RawBatch]:
    views = PatchViews(store, Augmentation(), num_views, seed=5)
    return list(make_loader(views, EpochBatches(store.foreground, 16, 0.5, seed=5), workers))


def test_batches_do_not_depend_on_the_number_of_workers(toy_store: PatchStore) -> None:
    alone, by_two = loaded(toy_store, workers=0), loaded(toy_store, workers=2)
    assert len(alone) == len(by_two) > 1
    assert all(torch.equal(a, b) for one, two in zip(alone, by_two, strict=True) for a, b in zip(one, two, strict=True))


def test_batches_say_what_they_hold(toy_store: PatchStore) -> None:
    for views, rows, foreground in loaded(toy_store, workers=0):
        assert views.shape == (2, len(rows), 32, 32, 4)
        assert views.dtype == torch.uint8
        np.testing.assert_array_equal(foreground, toy_store.foreground[rows.numpy()])


def test_the_views_of_an_object_differ_and_those_of_background_do_not(toy_store: PatchStore) -> None:
    views, rows, _ = loaded(toy_store, workers=0)[0]
    for number, row in enumerate(rows.tolist()):
        assert torch.equal(views[0, number], views[1, number]) != toy_store.foreground[row]


def test_a_view_depends_on_seed_epoch_and_row_alone(toy_store: PatchStore) -> None:
    views = PatchViews(toy_store, Augmentation(), 2, seed=1)
    row = int(np.flatnonzero(toy_store.foreground)[0])
    first = views[0, row].views
    views[3, 1]
    np.testing.assert_array_equal(PatchViews(toy_store, Augmentation(), 2, seed=1)[0, row].views, first)
    assert not np.array_equal(views[1, row].views, first)
    assert not np.array_equal(PatchViews(toy_store, Augmentation(), 2, seed=2)[0, row].views, first)


def test_a_view_does_not_depend_on_the_batch_around_it(toy_store: PatchStore) -> None:
    strong = Augmentation(hue=0.1, geometry=Geometry(rotation=20), ops=2, cutout=0.3)
    views = PatchViews(toy_store, strong, 2, seed=1, repeat=0.5)
    items = [Item(4, row, turn=row % 3) for row in range(12)]
    together, backwards = views.__getitems__(items), views.__getitems__(items[::-1])
    assert torch.equal(together.views, backwards.views.flip(1))
    for number, item in enumerate(items):
        assert torch.equal(views[item].views[:, 0], together.views[:, number])


def test_without_augmentation_a_view_is_the_patch(toy_store: PatchStore) -> None:
    view, row, foreground = PatchViews(toy_store, None, 1, seed=0)[0, 4]
    np.testing.assert_array_equal(view[0, 0], toy_store.images[4])
    assert (int(row), bool(foreground)) == (4, bool(toy_store.foreground[4]))
