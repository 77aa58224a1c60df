"""Normalised mutual information against scikit-learn."""

import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score

from objdisc.clustering.mutual_information import normalized_mutual_information


@pytest.mark.parametrize(("first", "second"), [(3, 3), (10, 200), (1, 4), (1, 1)])
def test_it_is_scikit_learns(first: int, second: int) -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.randint(first, (500,), generator=generator)
    other = (one * 7 + torch.randint(2, (500,), generator=generator)) % second
    expected = normalized_mutual_info_score(one, other, average_method="arithmetic")
    assert normalized_mutual_information(one, other) == pytest.approx(expected, abs=1e-12)


def test_names_of_clusters_do_not_matter() -> None:
    one = torch.tensor([0, 0, 1, 2, 2, 2])
    assert normalized_mutual_information(one, (one + 5) * 1000) == pytest.approx(1)
