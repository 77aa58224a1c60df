"""timm's networks that see an image as a grid of patches: they take images of any size, and give tokens."""

from dataclasses import dataclass
from typing import Any, Literal

import timm
import torch
from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d
from torch import Tensor
from torch.nn import functional as F

from objdisc.errors import UsageError

Pooling = Literal["avg", "max", "token", "token+avg"]


@dataclass(frozen=True)
class PatchGrid:
    """How such a network gets an image, and which of its tokens are used.

    Attributes:
        patch: Height and width of a patch in pixels: images are padded at the bottom and right to a multiple of it,
            with the mean colour, which is 0 after normalisation. None scales images to ``size``.
        size: Height and width in pixels that the network is made for; None pads images.
        has_tokens: Whether its features are tokens ``(B, T + h·w, F)``: T of the image (class and registers), then one
            for each patch.
        parts: Parts of a feature vector: the class token, the mean of the patch tokens, or both. Empty if the network
            pools as in its training.
    """

    patch: tuple[int, int] | None
    size: tuple[int, int] | None
    has_tokens: bool
    parts: tuple[str, ...] = ()

    def features(self, body: Any, images: Tensor) -> Tensor:
        """Map normalised images ``(B, C, H, W)`` to features ``(B, F)``, or ``(B, 2 F)`` for both parts."""
        seen = self._fitted(images)
        if not self.parts:
            features: Tensor = body(seen)
            return features
        tokens: Tensor = body.forward_features(seen)  # (B, T + h w, F)
        pooled = {"token": tokens[:, 0], "avg": tokens[:, body.num_prefix_tokens :].mean(dim=1)}
        norm = getattr(body, "fc_norm", None)
        return torch.cat([pooled[part] if norm is None else norm(pooled[part]) for part in self.parts], dim=1)

    def maps(self, body: Any, images: Tensor, *, deepest: bool = False) -> list[Tensor]:
        """Return the map after each block, ``(B, F, h, w)``, without tokens that stand for no position.

        Each map covers the image exactly, without padding. Those of a network of tokens go through its last
        normalisation, and all have the same resolution: if ``deepest``, only the last one is computed.
        """
        seen = self._fitted(images)
        how: dict[str, Any] = {"norm": True} if self.has_tokens else {}
        if self.has_tokens and deepest:
            how["indices"] = 1
        maps: list[Tensor] = body.forward_intermediates(seen, intermediates_only=True, **how)
        shares = (images.shape[2] / seen.shape[2], images.shape[3] / seen.shape[3])
        return maps if self.patch is None or shares == (1, 1) else [_cropped(found, *shares) for found in maps]

    def _fitted(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        if self.patch is not None:
            below, right = -height % self.patch[0], -width % self.patch[1]
            return F.pad(images, (0, right, 0, below)) if below or right else images
        if self.size is None or self.size == (height, width):
            return images
        smaller = self.size[0] < height or self.size[1] < width
        return F.interpolate(images, self.size, mode="bicubic", align_corners=False, antialias=smaller)


def build(name: str, channels: int, pooling: Pooling) -> tuple[Any, PatchGrid | None]:
    """Build a network of timm with random weights.

    Args:
        name: Its name in timm, with or without a tag.
        channels: Channels of the images.
        pooling: How features are pooled: see ``objdisc.models.encoder.build_encoder``.

    Returns:
        The network without a classifier; and how images are given to it, None if unchanged.

    Raises:
        UsageError: timm has no weights with this tag, or the network has no such pooling.
    """
    base, _, tag = name.partition(".")
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{base}.*")]
    if tag and tag not in tags:
        raise UsageError(f"--encoder {name}: timm has no weights {tag} of {base}; it has {', '.join(tags) or 'none'}")
    body, dynamic = _created(name, channels)
    if pooling == "max" and any(isinstance(module, SelectAdaptivePool2d) for module in body.modules()):
        body, dynamic = _created(name, channels, global_pool="max")
    parts = _parts(body, name, pooling)
    if parts and getattr(body, "attn_pool", None) is not None:
        body.reset_classifier(0, "avg")  # its attention pooling would learn nothing and ask for weights
    has_tokens = _has_tokens(body)
    if dynamic:
        return body, PatchGrid(_patch_of(body), None, has_tokens, parts)
    if body.pretrained_cfg.get("fixed_input_size"):
        height, width = body.pretrained_cfg["input_size"][1:]
        return body, PatchGrid(None, (height, width), has_tokens, parts)
    return body, PatchGrid(_patch_of(body), None, has_tokens, parts) if has_tokens else None


def _created(name: str, channels: int, **settings: Any) -> tuple[Any, bool]:
    """Create a network, for images of any size if timm offers that, and say whether it does."""
    if "siglip" in name:
        settings["act_layer"] = "gelu_tanh"  # JAX's GELU, which all of them were trained with; timm has it in some
    settings |= {"pretrained": False, "num_classes": 0, "in_chans": channels}
    try:
        return timm.create_model(name, dynamic_img_size=True, **settings), True
    except TypeError:  # not an argument of this network
        return timm.create_model(name, **settings), False


def _has_tokens(body: Any) -> bool:
    pooled = isinstance(getattr(body, "global_pool", None), str)
    return pooled and hasattr(body, "num_prefix_tokens") and (hasattr(body, "fc_norm") or hasattr(body, "cls_token"))


def _patch_of(body: Any) -> tuple[int, int]:
    embedding = body.patch_embed if hasattr(body, "patch_embed") else body.embeds
    ratio = embedding.feat_ratio(as_scalar=False) if hasattr(embedding, "feat_ratio") else embedding.patch_size
    height, width = (ratio, ratio) if isinstance(ratio, int) else ratio
    return height, width


def _parts(body: Any, name: str, pooling: Pooling) -> tuple[str, ...]:
    if pooling in {"token", "token+avg"} and (not _has_tokens(body) or getattr(body, "cls_token", None) is None):
        raise UsageError(f"--pooling {pooling}: {name} has no class token; take avg or max")
    if pooling == "max" or not _has_tokens(body):
        return ()
    return tuple(pooling.split("+"))


def _cropped(maps: Tensor, rows: float, columns: float) -> Tensor:
    """Resample maps ``(B, F, h, w)`` of padded images, linearly, to these shares of their height and width."""
    with torch.autocast(maps.device.type, enabled=False):
        down, across = (_weights(n, share, maps) for n, share in ((maps.shape[2], rows), (maps.shape[3], columns)))
        return (down @ maps.float() @ across.mT).to(maps.dtype)


def _weights(cells: int, share: float, like: Tensor) -> Tensor:
    """Return the weight of each cell in each of as many smaller cells, ``(cells, cells)`` float32."""
    places = torch.arange(cells, device=like.device, dtype=torch.float32)
    centers = (places + 0.5) * share - 0.5  # in cells of the padded map
    weights = (1 - (centers[:, None] - places).abs()).clamp_min(0)
    return weights / weights.sum(dim=1, keepdim=True)  # at the edge, there is one neighbour only
