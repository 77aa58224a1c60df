"""The closed form against scikit-learn's ridge regression."""

import torch
from sklearn.linear_model import Ridge

from objdisc.clustering.ridge import ridge_classifier


def test_it_is_ridge_regression_on_one_hot_targets() -> None:
    generator = torch.Generator().manual_seed(0)
    features = 3 + torch.randn(200, 7, generator=generator)
    clusters = torch.randint(4, (200,), generator=generator)
    weights, biases = ridge_classifier(features, clusters, 4, scale=5)
    variance = float((features - features.mean(0)).square().mean())
    oracle = Ridge(alpha=0.1 * variance * 200).fit(features.double(), torch.eye(4)[clusters])
    expected = 5 * torch.from_numpy(oracle.predict(features.double()))
    torch.testing.assert_close((features @ weights.T + biases).double(), expected, rtol=1e-3, atol=1e-3)


def test_clusters_that_can_be_told_apart_are() -> None:
    clusters = torch.arange(60) % 3
    features = torch.eye(3)[clusters] + 0.05 * torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    weights, biases = ridge_classifier(features, clusters, 3)
    assert torch.equal((features @ weights.T + biases).argmax(1), clusters)


def test_constant_features_give_the_shares() -> None:
    weights, biases = ridge_classifier(torch.ones(4, 5), torch.tensor([0, 0, 0, 1]), 3, scale=1)
    assert torch.isfinite(weights).all()
    torch.testing.assert_close(torch.ones(5) @ weights.T + biases, torch.tensor([0.75, 0.25, 0.0]))
