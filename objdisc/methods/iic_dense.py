"""Per-pixel invariant information clustering: Ji, Henriques, Vedaldi, ICCV 2019 (https://arxiv.org/abs/1807.06653)."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.augmentation.affine import warp
from objdisc.errors import UsageError
from objdisc.losses.iid import iid_dense_loss
from objdisc.methods.base import EpochPlan, Method, Ranks, Views, add_up
from objdisc.methods.support.iic_start import start_from_joint
from objdisc.models.encoder import Encoder
from objdisc.models.heads import SubHeads
from objdisc.types import Batch, Prediction

_ALL = 0.999  # of the pixels under a coarser one
_PROBE = 64  # side of the image that tells how wide an encoder's map is
_START_IMAGES, _START_SIDE = 200, 16  # that head B is started from, and places along a side of each


class DenseIIC(Method):
    """Maximise the mutual information between a pixel's cluster and those around it in another view (section 3.3).

    Head B has the K requested clusters; head A has more of them (overclustering) and only helps the network to learn.
    The prediction is that of head B's sub-head with the lowest loss in the last epoch.

    Started at random, head B gets stuck in clusters of about equal size, unlike real categories.
    ``lead_epochs``, which is not in the paper, lets head A learn alone first; its clusters, merged so that the most
    mutual information between views is kept, then start head B. No label is needed, and 0 restores the paper's version.
    Two more switches have values that the published code lacks: ``resolution`` and ``order``.

    Args:
        encoder: A network with feature maps.
        num_clusters: K, at least 2: the clusters of head B.
        overclusters: Clusters of head A.
        stride: Most pixels of the image, along each side, that one pixel of the feature map may stand for.
        half_t: T: the views are compared under all shifts of up to T pixels.
        sparse_shift: Largest random shift of the second view's output before that, in pixels.
        lamb_a: Weight of the marginal entropies in head A's loss; above 1, clusters are pushed towards equal size.
        lamb_b: Weight of the marginal entropies in head B's loss.
        collapsed: Whether the tables of all shifts are added up before the loss; otherwise the losses are averaged.
        subheads: Number of sub-heads of each head.
        order: Which heads learn, one entry an epoch, repeated from the start after the last; ``AB`` trains both at
            once.
        resolution: Whether losses compare pixels of the ``image``, to which the network's output is enlarged, or of the
            ``network``, which is several times faster; T and ``sparse_shift`` are counted in these pixels.
        lead_epochs: Epochs in which head A learns alone, before its merged clusters start head B.
        init_scale: Standard deviation of the heads' initial weights. With 0.01, it takes hundreds of steps until
            probabilities differ from 1 / K.
        seed: Random seed of the images that head B is started from.
    """

    views = Views.AFFINE_PAIR
    per_pixel: ClassVar[bool] = True

    pixels: Tensor
    losses: Tensor
    turn: Tensor
    joint: Tensor

    def __init__(
        self,
        encoder: Encoder,
        num_clusters: int,
        *,
        overclusters: int = 15,
        stride: int = 2,
        half_t: int = 10,
        sparse_shift: int = 0,
        lamb_a: float = 1.0,
        lamb_b: float = 1.0,
        collapsed: bool = False,
        subheads: int = 1,
        order: Sequence[Literal["A", "B", "AB"]] = ("A", "B"),
        resolution: Literal["image", "network"] = "image",
        lead_epochs: int = 0,
        init_scale: float = 0.01,
        seed: int = 0,
    ) -> None:
        super().__init__(encoder, num_clusters)
        if overclusters < 2:
            raise UsageError(f"iic_dense: overclusters {overclusters}: at least 2 are needed")
        if half_t < 0 or sparse_shift < 0 or subheads < 1 or not order or set(order) - {"A", "B", "AB"}:
            raise UsageError("iic_dense: half_t and sparse_shift start at 0, subheads at 1; order holds A, B and AB")
        if lead_epochs < 0 or init_scale <= 0 or overclusters * bool(lead_epochs) < num_clusters * bool(lead_epochs):
            raise UsageError(
                "iic_dense: lead_epochs starts at 0 and needs K overclusters or more; init_scale is above 0"
            )
        self.stride, self.half_t, self.sparse_shift, self.collapsed = stride, half_t, sparse_shift, collapsed
        self.lambs = {"A": lamb_a, "B": lamb_b}
        self.order, self.resolution = tuple(order), resolution
        self.lead_epochs, self.seed = lead_epochs, seed
        width = _map_width(encoder, stride)
        self.heads = nn.ModuleDict(
            {
                "A": SubHeads(width, overclusters, subheads, init_scale),
                "B": SubHeads(width, num_clusters, subheads, init_scale),
            }
        )
        # entry of order that this epoch follows, -1 while head A leads
        self.register_buffer("turn", torch.zeros((), dtype=torch.int64))
        # how often A's clusters of one view met those of the other in the last epoch that A led, of all sub-heads
        self.register_buffer("joint", torch.zeros(2 * (subheads * overclusters if lead_epochs else 0,)))
        self.register_buffer("pixels", torch.zeros(num_clusters))
        self.register_buffer("losses", torch.zeros(subheads))

    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        """Choose the epoch's heads, start head B after A has led, and reset the counts."""
        if 0 < self.lead_epochs == epoch:
            self._start_head_b(ranks)
        self.turn.fill_((epoch - self.lead_epochs) % len(self.order) if epoch >= self.lead_epochs else -1)
        if epoch < self.lead_epochs:
            self.joint.zero_()
        if "B" in self.training_heads:
            self.pixels.zero_()
            self.losses.zero_()
        return EpochPlan()

    def end_epoch(self, epoch: int, ranks: Ranks) -> Mapping[str, Tensor]:
        """Sum the processes' counts.

        Returns:
            Number of pixels that each cluster won when head B last learned.
        """
        if "B" in self.training_heads:
            add_up(ranks, self.pixels, self.losses)
        if int(self.turn) < 0:
            add_up(ranks, self.joint)
        return {"occupancy": self.pixels}

    def finish(self, ranks: Ranks) -> None:
        """Start head B if the training ended before its turn, since there must be a prediction."""
        if int(self.turn) < 0:
            self._start_head_b(ranks)

    @property
    def training_heads(self) -> str:
        """The heads that learn in this epoch."""
        return self.order[int(self.turn)] if int(self.turn) >= 0 else "A"

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        """Return the mean loss of the epoch's heads, and the loss of each."""
        assert batch.to_first is not None  # an affine pair has both
        assert batch.valid is not None
        first, second = self.encoder.feature_map(torch.cat(batch.views), self.stride).chunk(2)
        size = batch.valid.shape[1] if self.resolution == "image" else first.shape[2]
        # a pixel of the network is valid where all pixels of the image under it are
        valid = F.adaptive_avg_pool2d(batch.valid[:, None].float(), size)[:, 0] > _ALL
        terms: dict[str, Tensor] = {}
        for name in self.training_heads:
            z = _enlarge(self.heads[name](first), size)  # (subheads, B, K, size, size)
            outputs = _enlarge(self.heads[name](second), size)
            z_prime = torch.stack([warp(output, batch.to_first) for output in outputs])  # in the frame of the first
            losses = torch.stack([self._loss(name, one, two, valid) for one, two in zip(z, z_prime, strict=True)])
            terms[f"loss_{name}"] = losses.mean()
            if int(self.turn) < 0:
                self._count_joint(z.detach(), z_prime.detach(), valid)
            if name == "B":
                self._count(z.detach(), valid, losses.detach())
        loss = torch.stack(list(terms.values())).mean()
        # every parameter takes part in every step, if by 0: DistributedDataParallel waits for each of them
        idle = torch.stack([parameter.sum() for parameter in self.heads.parameters()]).sum() * 0
        return terms | {"loss": loss + idle}

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return head B's probabilities ``(B, K, H, W)`` for each pixel, and each feature map's mean ``(B, F)``."""
        features = self.encoder.feature_map(images, self.stride)
        best = self.heads["B"](features)[self.losses.argmin()]
        probabilities = F.interpolate(best, images.shape[2:], mode="bilinear", align_corners=False)
        return Prediction(probabilities, features.float().mean(dim=(2, 3)))

    def _count_joint(self, z: Tensor, z_prime: Tensor, valid: Tensor) -> None:
        """Count which clusters of all sub-heads met at the same position of two ``(S, B, K, size, size)`` outputs."""
        one, other = (_rows(output).T[:, valid.flatten()] for output in (z, z_prime))  # (S K, pixels)
        self.joint.add_(one @ other.T)

    @torch.no_grad()
    def _start_head_b(self, ranks: Ranks) -> None:
        rows = ranks.foreground.nonzero()[:, 0]
        generator = torch.Generator().manual_seed(self.seed)
        rows = rows[torch.randperm(len(rows), generator=generator)[:_START_IMAGES].sort().values]

        def pixels(images: Tensor) -> Tensor:
            found = self.encoder.feature_map(images, self.stride).float()
            return F.interpolate(found, (_START_SIDE, _START_SIDE), mode="nearest-exact").flatten(1)

        features = ranks.encode(pixels, rows).view(len(rows), -1, _START_SIDE, _START_SIDE)
        overclusters = _rows(self.heads["A"](features))
        head = self.heads["B"]
        assert isinstance(head, SubHeads)  # what an nn.ModuleDict holds is a module to the type checker
        start_from_joint(head, features.permute(0, 2, 3, 1).flatten(0, 2), overclusters, self.joint, self.seed)

    def _loss(self, name: str, z: Tensor, z_prime: Tensor, valid: Tensor) -> Tensor:
        """Compare two outputs in the frame of the first, ``(B, K, S, S)``, where ``(B, S, S)`` is valid."""
        if self.sparse_shift:
            dy, dx = torch.randint(-self.sparse_shift, self.sparse_shift + 1, (2,)).tolist()
            z_prime, valid = _shifted(z_prime, dy, dx), valid & _shifted(valid, dy, dx)
        return iid_dense_loss(z, z_prime, valid, self.half_t, self.lambs[name], self.collapsed)

    def _count(self, z: Tensor, valid: Tensor, losses: Tensor) -> None:
        """Count head B's clusters over valid pixels, and add up the losses of its sub-heads."""
        self.losses.add_(losses)
        best = z[int(self.losses.argmin())].argmax(dim=1)  # (B, size, size)
        self.pixels.add_(torch.bincount(best[valid], minlength=self.num_clusters))


def _map_width(encoder: Encoder, stride: int) -> int:
    """Count the channels of an encoder's map without changing the encoder."""
    was_training = encoder.training
    with torch.no_grad():
        found = encoder.eval().feature_map(torch.zeros(1, len(encoder.mean), _PROBE, _PROBE), stride)
    encoder.train(was_training)
    return found.shape[1]


def _enlarge(maps: Tensor, size: int) -> Tensor:
    """Resize ``(S, B, K, h, w)`` maps bilinearly to squares of ``size``."""
    if maps.shape[3] == size:
        return maps
    enlarged = F.interpolate(maps.flatten(0, 1), (size, size), mode="bilinear", align_corners=False)
    return enlarged.reshape(*maps.shape[:3], size, size)


def _rows(maps: Tensor) -> Tensor:
    """Rearrange ``(S, B, K, h, w)`` maps into one row for each pixel, ``(B h w, S K)``."""
    return maps.permute(1, 3, 4, 0, 2).flatten(0, 2).flatten(1)


def _shifted(maps: Tensor, dy: int, dx: int) -> Tensor:
    """Shift ``(..., H, W)`` maps down and to the right, and fill the rest with 0."""
    height, width = maps.shape[-2:]
    moved = torch.zeros_like(maps)
    if abs(dy) < height and abs(dx) < width:
        rows, columns = slice(max(dy, 0), height + min(dy, 0)), slice(max(dx, 0), width + min(dx, 0))
        from_rows, from_columns = slice(max(-dy, 0), height + min(-dy, 0)), slice(max(-dx, 0), width + min(-dx, 0))
        moved[..., rows, columns] = maps[..., from_rows, from_columns]
    return moved
