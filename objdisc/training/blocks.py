"""Pooled features of each block of a trained network, for evaluations of the network."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.methods.base import Method


@dataclass(frozen=True)
class Block:
    """One block's pooled features, and their columns among those of all blocks.

    Attributes:
        channels: Channels of its map.
        grid: Cells along a side that the map was averaged into.
        start: First column.
        stop: Column after the last one.
    """

    channels: int
    grid: int
    start: int
    stop: int


class BlockFeatures(nn.Module):
    """Averages the map of each block over a grid, so that blocks give about equally many features.

    Args:
        method: The method, which defines the encoder and its input.
        at_most: Most features of a block; a block with more channels still gives all of them.
    """

    def __init__(self, method: Method, at_most: int) -> None:
        super().__init__()
        self._method, self._at_most = method, at_most

    @torch.no_grad()
    def blocks(self, channels: int, side: int) -> list[Block]:
        """List the blocks for images of ``channels`` x ``side`` x ``side``."""
        device = next(self._method.parameters()).device
        found: list[Block] = []
        for block in self._maps(torch.zeros(2, channels, side, side, device=device)):
            grid = self._grid(block)
            start = found[-1].stop if found else 0
            found.append(Block(block.shape[1], grid, start, start + block.shape[1] * grid**2))
        return found

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(B, C, S, S)`` to the features ``(B, D)`` float32 of all blocks side by side."""
        pooled = [F.adaptive_avg_pool2d(block.float(), self._grid(block)) for block in self._maps(images)]
        return torch.cat([block.flatten(1) for block in pooled], dim=1)

    def _maps(self, images: Tensor) -> list[Tensor]:
        method = self._method.eval()
        return method.encoder.block_maps(method.encoder_input(images))

    def _grid(self, block: Tensor) -> int:
        return min(max(math.isqrt(self._at_most // block.shape[1]), 1), block.shape[2], block.shape[3])
