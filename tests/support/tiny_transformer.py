"""A vision transformer of two blocks, as small as the real ones are not."""

from typing import Any

from timm.models.vision_transformer import VisionTransformer


def tiny_transformer(**settings: Any) -> VisionTransformer:
    """Return a network for images of 56 pixels in patches of 14: 32 features, 2 blocks, 2 heads, no classifier."""
    shape: dict[str, Any] = {"img_size": 56, "patch_size": 14, "embed_dim": 32, "depth": 2, "num_heads": 2}
    return VisionTransformer(**shape, num_classes=0, **settings)
