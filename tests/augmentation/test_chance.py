"""Random numbers on arrays: even, independent of the batch and of one another, and SplitMix64's own."""

import numpy as np
from scipy import stats

from objdisc.augmentation.chance import between, mixed_seeds, uniforms


def test_numbers_are_even_and_independent() -> None:
    drawn = uniforms(mixed_seeds(0, np.arange(4000)), 6)
    assert drawn.shape == (4000, 6)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    for column in drawn.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
    correlation = np.corrcoef(np.column_stack([drawn[:-1], drawn[1:], np.arange(3999)]).T) - np.eye(13)
    assert np.abs(correlation).max() < 0.06


def test_a_sample_has_its_numbers_whatever_the_batch_and_however_many_are_drawn() -> None:
    together = uniforms(mixed_seeds(1, np.arange(5)), 8)
    np.testing.assert_array_equal(uniforms(mixed_seeds(1, np.array([3])), 2)[0], together[3, :2])
    np.testing.assert_array_equal(uniforms(mixed_seeds(1, 3), 8)[0], together[3])


def test_streams_differ() -> None:
    seeds = mixed_seeds(np.arange(500))
    streams = [uniforms(seeds, 1, stream)[:, 0] for stream in range(8)]
    assert np.abs(np.corrcoef(streams) - np.eye(8)).max() < 0.2
    assert len(set(np.concatenate(streams).tolist())) == 4000


def test_seeds_of_neighbouring_parts_do_not_collide() -> None:
    rows, views = np.divmod(np.arange(400), 2)
    seeds = [mixed_seeds(0, epoch, rows, views) for epoch in range(10)]
    assert len(set(np.concatenate(seeds).tolist())) == 4000
    assert mixed_seeds(0, 1) != mixed_seeds(1, 0)
    assert mixed_seeds(1) != mixed_seeds(1, 0)


def test_the_hash_is_splitmix64s() -> None:
    """The first numbers of the generator with seed 0, as its authors' reference implementation gives them."""
    from objdisc.augmentation.chance import _GOLDEN, _hashed

    states = np.array([number * _GOLDEN % 2**64 for number in (1, 2, 3)], np.uint64)
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert _hashed(states).tolist() == expected


def test_numbers_are_spread_over_a_range() -> None:
    np.testing.assert_allclose(between(-2.0, 4.0, np.array([0.0, 0.5, 1.0])), [-2, 1, 4])
