"""InfoNCE against a loop over the batch."""

import math

import pytest
import torch

from objdisc.losses.contrastive import info_nce


def test_it_is_the_cross_entropy_of_finding_the_other_view() -> None:
    generator = torch.Generator().manual_seed(0)
    z, z_prime = torch.randn(2, 5, 3, generator=generator).double()
    views = [view / view.norm() for view in [*z, *z_prime]]
    terms = []
    for one, view in enumerate(views):
        weights = {other: math.exp(float(view @ views[other]) / 0.5) for other in range(10) if other != one}
        terms.append(-math.log(weights[(one + 5) % 10] / sum(weights.values())))
    assert float(info_nce(z, z_prime, 0.5)) == pytest.approx(sum(terms) / 10, rel=1e-5)


def test_length_of_the_embeddings_does_not_matter() -> None:
    z, z_prime = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(info_nce(3 * z, 0.1 * z_prime), info_nce(z, z_prime))


def test_autocast_changes_nothing() -> None:
    z, z_prime = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        loss = info_nce(z, z_prime)
    assert torch.equal(loss, info_nce(z, z_prime))


@pytest.mark.parametrize("size", [0, 1])
def test_too_small_a_batch_says_nothing(size: int) -> None:
    z = torch.ones(size, 4, requires_grad=True)
    loss = info_nce(z, z)
    assert float(loss) == 0
    assert torch.isfinite(torch.autograd.grad(loss, z)[0]).all()
