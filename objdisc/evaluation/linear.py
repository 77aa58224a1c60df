"""A linear classifier on frozen features, trained with labels: multinomial logistic regression on the device."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class LinearClassifier:
    """A classifier that gives logits of standardised features.

    Attributes:
        mean: ``(D,)`` mean of the features that it was fitted on.
        scale: ``(D,)`` standard deviation of these; infinite where they do not differ.
        weight: ``(C, D)``.
        bias: ``(C,)``.
    """

    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor

    def predict(self, features: Tensor) -> Tensor:
        """Return the most probable class ``(n,)`` int64 of features ``(n, D)``."""
        return (((features - self.mean) / self.scale) @ self.weight.T + self.bias).argmax(dim=1)


def fit_linear(
    features: Tensor, labels: Tensor, num_classes: int, *, decay: float = 1e-3, iterations: int = 100
) -> LinearClassifier:
    """Minimise mean cross-entropy + decay / 2 * squared weights by L-BFGS over all samples at once.

    The objective is convex, so no seed or learning rate is needed. It is that of scikit-learn's ``LogisticRegression``
    with C = 1 / (n decay).

    Args:
        features: ``(n, D)`` float32, finite; they are standardised here.
        labels: ``(n,)`` int64 in [0, C) on the same device.
        num_classes: C.
        decay: Strength of the penalty, >= 0; biases are not penalised.
        iterations: Most iterations of L-BFGS.

    Returns:
        The classifier, float32.
    """
    mean, deviation = features.mean(dim=0), features.std(dim=0, correction=0)
    # what is constant here says nothing elsewhere, whatever it is there
    scale = torch.where(deviation > 1e-6 * (1 + mean.abs()), deviation, torch.inf)
    x = (features - mean) / scale
    weight = torch.zeros(num_classes, x.shape[1], device=x.device, requires_grad=True)
    bias = torch.zeros(num_classes, device=x.device, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weight, bias], max_iter=iterations, history_size=10, line_search_fn="strong_wolfe", tolerance_grad=1e-5
    )

    def loss() -> Tensor:
        solver.zero_grad()
        value = F.cross_entropy(x @ weight.T + bias, labels) + decay / 2 * weight.square().sum()
        torch.autograd.backward(value)
        return value

    solver.step(loss)  # type: ignore[no-untyped-call]
    return LinearClassifier(mean, scale, weight.detach(), bias.detach())
