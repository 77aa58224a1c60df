"""What is looked at of each block: its map as the method gives it to the encoder, averaged into a grid."""

import pytest
import torch
from torch.nn import functional as F

from objdisc.methods.deepcluster import DeepCluster
from objdisc.models.encoder import build_encoder
from objdisc.models.sobel import sobel
from objdisc.training.blocks import BlockFeatures


@pytest.mark.parametrize(("at_most", "grids"), [(300, [3, 2, 1, 1]), (10_000, [12, 6, 3, 3]), (1, [1, 1, 1, 1])])
def test_maps_are_averaged_into_a_grid_as_fine_as_it_may_be(at_most: int, grids: list[int]) -> None:
    method = DeepCluster(build_encoder("vgg3x3", "none"), 3, sobel=True).eval()
    module = BlockFeatures(method, at_most)
    blocks = module.blocks(3, 24)
    assert [(block.channels, block.grid) for block in blocks] == list(zip([32, 64, 128, 256], grids, strict=True))
    images = torch.randn(2, 3, 24, 24)
    with torch.no_grad():
        features, maps = module(images), method.encoder.block_maps(sobel(images))
    assert features.shape == (2, blocks[-1].stop)
    for block, found in zip(blocks, maps, strict=True):
        expected = F.adaptive_avg_pool2d(found, block.grid).flatten(1)
        torch.testing.assert_close(features[:, block.start : block.stop], expected)
