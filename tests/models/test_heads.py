"""Sub-heads: separate linear classifiers, in float32, the same for vectors and for maps."""

import torch
from torch.nn import functional as F

from objdisc.models.heads import SubHeads


def test_each_sub_head_is_a_linear_layer_with_softmax() -> None:
    heads = SubHeads(6, 4, num_heads=3)
    features = torch.randn(5, 6)
    probabilities = heads(features)
    assert probabilities.shape == (3, 5, 4)
    for number in range(3):
        expected = F.linear(features, heads.weight[number], heads.bias[number]).softmax(1)
        torch.testing.assert_close(probabilities[number], expected)


def test_maps_are_classified_place_by_place() -> None:
    heads = SubHeads(6, 4, num_heads=2)
    maps = torch.randn(3, 6, 5, 7)
    probabilities = heads(maps)
    assert probabilities.shape == (2, 3, 4, 5, 7)
    torch.testing.assert_close(probabilities[..., 2, 3], heads(maps[..., 2, 3]))


def test_autocast_changes_nothing() -> None:
    heads = SubHeads(6, 4)
    for features in (torch.randn(5, 6), torch.randn(2, 6, 3, 3)):
        with torch.autocast("cpu", torch.bfloat16):
            probabilities = heads(features.bfloat16())
        assert probabilities.dtype == torch.float32
        assert torch.equal(probabilities, heads(features.bfloat16().float()))


def test_sub_heads_start_apart() -> None:
    weight = SubHeads(50, 4, num_heads=3).weight
    assert float((weight[0] - weight[1]).abs().max()) > 0
