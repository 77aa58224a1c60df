"""The search's benchmark measures what it names."""

import pytest

from objdisc.commands.benchmark.retrieval import search_times


def test_times_and_ratios_are_positive_and_belong_together() -> None:
    numbers = search_times(rows=2_000, dimensions=8)
    assert all(value > 0 for value in numbers.values())
    assert numbers["batched_query_milliseconds"] < numbers["query_milliseconds"]


@pytest.mark.slow
def test_a_query_of_300_000_embeddings_is_no_slower_than_numpy_sorting_them() -> None:
    assert search_times()["numpy_sort_to_query"] > 0.7
