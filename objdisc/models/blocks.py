"""The feature maps after the blocks of a plain stack of layers."""

from itertools import pairwise

from torch import Tensor, nn


def maps_of_blocks(layers: nn.Sequential, images: Tensor) -> list[Tensor]:
    """Run a stack, and keep each block's output; a block is a convolution and all layers up to the next one.

    Layers before the first convolution belong to its block.

    Args:
        layers: A stack with at least one ``Conv2d`` directly in it.
        images: ``(B, C, H, W)``.

    Returns:
        A map ``(B, C', h, w)`` for each convolution.
    """
    starts = [index for index, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
    edges = [0, *starts[1:], len(layers)]
    maps = []
    for start, end in pairwise(edges):
        images = layers[start:end](images)
        maps.append(images)
    return maps
