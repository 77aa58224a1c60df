"""Logistic regression against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from objdisc.evaluation.linear import fit_linear


def data() -> tuple[Tensor, Tensor]:
    features, labels = make_classification(
        600, 20, n_informative=8, n_classes=4, flip_y=0.1, shift=3.0, scale=7.0, random_state=0
    )
    return torch.from_numpy(features).float(), torch.from_numpy(labels)


@pytest.mark.parametrize("decay", [1e-3, 0.1])
def test_it_is_scikit_learns_logistic_regression_of_standardised_features(decay: float) -> None:
    features, labels = data()
    found = fit_linear(features[:400], labels[:400], 4, decay=decay)
    scaler = StandardScaler().fit(features[:400].numpy())
    oracle = LogisticRegression(C=1 / (400 * decay), max_iter=1000, tol=1e-6)
    oracle.fit(scaler.transform(features[:400].numpy()), labels[:400].numpy())
    weight = found.weight - found.weight.mean(0)  # a shift of all classes alike changes nothing
    np.testing.assert_allclose(weight, oracle.coef_ - oracle.coef_.mean(0), atol=5e-3)
    expected = oracle.predict(scaler.transform(features[400:].numpy()))
    assert (found.predict(features[400:]).numpy() == expected).mean() > 0.99


def test_constant_features_say_nothing_whatever_they_are_elsewhere() -> None:
    features, labels = data()
    features[:, 3] = 5.0
    found = fit_linear(features, labels, 4)
    elsewhere = features.clone()
    elsewhere[:, 3] = 1e6
    assert torch.equal(found.predict(features), found.predict(elsewhere))
    assert torch.isfinite(found.weight).all()


def test_features_that_are_all_constant_give_the_most_frequent_class() -> None:
    found = fit_linear(torch.ones(10, 3), torch.tensor([0] * 3 + [1] * 7), 2)
    assert found.predict(torch.randn(5, 3)).tolist() == [1] * 5
