"""Whole scenes from an encoder's maps: overclusters are merged into K categories of stuff and things."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.kmeans import kmeans
from objdisc.clustering.neighbors import distances_to_centroids
from objdisc.errors import UsageError
from objdisc.methods.base import Method, Ranks
from objdisc.methods.support.rows import rows_to_cluster
from objdisc.models.encoder import Encoder
from objdisc.types import Prediction

_MOST_IMAGES = 200  # that points are taken from, spread evenly
_NOISE = 1e-4  # differences, in standard deviations, that are rounding
_LEAST_SHARE = 0.05  # of an even share that a category holds at least
_PROBE = 64  # side of the image that tells how wide an encoder's maps are


class Scene(Method):
    """Gives each pixel the category of the nearest of many small clusters of the encoder's maps; no mask is needed.

    Maps of several blocks are resized to one size, standardised channel by channel so that blocks have equal weight,
    and projected to their principal components. k-means finds overclusters in points of all images. These are merged
    into K by average linkage of the angles between their centres, which, unlike Ward's criterion, does not split
    categories that cover much of the images (road, sky) before it separates small ones. Nothing is trained.

    Args:
        encoder: A network with feature maps; its weights stay as they are.
        num_clusters: K, at least 2.
        blocks: Blocks whose maps are used, as indices into ``Encoder.block_maps``; -1 is the last one.
        stride: Pixels of the network's input that a pixel of the common map stands for.
        overclusters: Clusters before merging; never fewer than twice K.
        components: Most principal components to keep.
        sharpness: How strongly nearer centres are preferred, relative to the typical squared distance; larger values
            give more confident predictions.
        restarts: Starts of k-means; the lowest inertia wins.
        points: Approximate number of points that are clustered, over all images.
        edge_radius: How far a full-size map is moved to edges of the image, as a share of its shorter side; 0 for not
            at all.
        seed: Seed of k-means.
    """

    per_pixel: ClassVar[bool] = True
    trains: ClassVar[bool] = False
    map_kind: ClassVar[Literal["clusterIds", "sceneIds"]] = "sceneIds"
    preferred: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "objectness": {"class_path": "grid", "init_args": {"side": 0, "pad": True}},
            "patches.size": 528,
            "background": "keep",
            "equalization": 0.0,
        }
    )

    mean: Tensor
    scale: Tensor
    projection: Tensor
    centers: Tensor
    categories: Tensor
    spread: Tensor

    def __init__(
        self,
        encoder: Encoder,
        num_clusters: int,
        *,
        blocks: Sequence[int] = (-2, -1),
        stride: int = 8,
        overclusters: int = 60,
        components: int = 96,
        sharpness: float = 4.0,
        restarts: int = 3,
        points: int = 60_000,
        edge_radius: float = 0.02,
        seed: int = 0,
    ) -> None:
        super().__init__(encoder, num_clusters)
        if overclusters < 2 or min(components, stride, restarts, points) < 1 or not blocks:
            raise UsageError(
                "scene: overclusters start at 2, components, stride, restarts and points at 1; "
                "at least one block is needed"
            )
        if sharpness <= 0 or not 0 <= edge_radius < 1:
            raise UsageError("scene: sharpness must be above 0, edge_radius at least 0 and below 1")
        encoder.requires_grad_(False)
        self.blocks, self.stride = tuple(blocks), stride
        self.sharpness, self.restarts, self.points, self.seed = sharpness, restarts, points, seed
        self.edge_radius = edge_radius
        widths = _map_widths(encoder, self.blocks)
        width, count = sum(widths), max(overclusters, 2 * num_clusters)
        kept = min(components, width)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.register_buffer("projection", torch.zeros(width, kept))
        self.register_buffer("centers", torch.zeros(count, kept))
        self.register_buffer("categories", torch.zeros(count, dtype=torch.int64))  # -1: no such overcluster
        self.register_buffer("spread", torch.ones(()))  # mean squared distance of a point to its centre

    @torch.no_grad()
    def finish(self, ranks: Ranks) -> None:
        """Find the overclusters and merge them.

        Raises:
            UsageError: The images hold fewer than K different points.
        """
        rows = rows_to_cluster(ranks, 1)
        rows = rows[torch.linspace(0, len(rows) - 1, min(len(rows), _MOST_IMAGES)).round().long()]
        side = max(round(math.sqrt(self.points / len(rows))), 2)

        def places(images: Tensor) -> Tensor:
            maps = [F.interpolate(found, (side, side), mode="bilinear") for found in self._block_maps(images)]
            return torch.cat(maps, dim=1).flatten(1)

        found = ranks.encode(places, rows)
        widths = len(self.mean)
        self._fit(found.view(len(rows), widths, -1).transpose(1, 2).reshape(-1, widths))

    def _fit(self, points: Tensor) -> None:
        """Fit projection and clusters to ``(n, F)`` float32 points of the standardised maps."""
        widths = torch.cat([torch.full((width,), width) for width in _map_widths(self.encoder, self.blocks)])
        self.mean.copy_(points.mean(dim=0))
        # a block's channels weigh one together, whatever their number
        deviation, noise = points.std(dim=0, correction=0), _NOISE * points.abs().amax(dim=0)
        scale = (deviation * widths.to(points.device).sqrt()).reciprocal()
        self.scale.copy_(torch.where(deviation > noise, scale, 0))
        seen = (points - self.mean) * self.scale
        if not bool(self.scale.any()):
            self._check_different(1)
        kept = min(self.projection.shape[1], *seen.shape)
        components = PCA(kept, svd_solver="covariance_eigh").fit(seen.cpu().numpy()).components_
        self.projection.zero_()[:, :kept] = torch.from_numpy(components.T.copy()).to(seen)
        seen = seen @ self.projection
        different = len(torch.unique((seen / _NOISE).round(), dim=0))
        self._check_different(different)
        count = min(len(self.centers), different)
        centers, assigned = kmeans(seen, count, seed=self.seed, restarts=self.restarts, distance="products")
        self.spread.copy_((seen - centers[assigned]).square().sum(dim=1).mean().clamp_min(1e-8))
        self.centers.zero_()[:count] = centers
        sizes = torch.bincount(assigned, minlength=count)
        joined = _join(centers.cpu().numpy(), sizes.cpu().numpy(), self.num_clusters)
        self.categories.fill_(-1)[:count] = torch.from_numpy(joined).to(assigned)

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return probabilities ``(B, K, h, w)`` on the common map, and each image's mean projected point ``(B, D)``."""
        height, width = (max(round(side / self.stride), 1) for side in images.shape[2:])
        maps = [F.interpolate(found, (height, width), mode="bilinear") for found in self._block_maps(images)]
        seen = torch.cat(maps, dim=1).permute(0, 2, 3, 1).flatten(0, 2)  # (B h w, F)
        with torch.autocast(images.device.type, enabled=False):
            embedded = ((seen - self.mean) * self.scale) @ self.projection
            squared = distances_to_centroids(embedded, self.centers, "products")
            squared = squared.masked_fill(self.categories < 0, torch.inf)
            near = torch.softmax(-squared * self.sharpness / self.spread, dim=1)
            joined = near @ F.one_hot(self.categories.clamp_min(0), self.num_clusters).to(near.dtype)
        shape = len(images), height, width
        probabilities = joined.view(*shape, -1).permute(0, 3, 1, 2)
        return Prediction(probabilities, embedded.view(*shape, -1).mean(dim=(1, 2)))

    def _check_different(self, count: int) -> None:
        if count < self.num_clusters:
            raise UsageError(f"--num-clusters {self.num_clusters}: the images show only {count} different places.")

    def _block_maps(self, images: Tensor) -> list[Tensor]:
        """Return the maps ``(B, F, h, w)`` float32 of the blocks."""
        found = self.encoder.block_maps(images)
        return [found[block].float() for block in self.blocks]


def _map_widths(encoder: Encoder, blocks: Sequence[int]) -> list[int]:
    """Count the channels of the maps of some blocks without changing the encoder."""
    was_training = encoder.training
    with torch.no_grad():
        maps = encoder.eval().block_maps(torch.zeros(1, len(encoder.mean), _PROBE, _PROBE))
    encoder.train(was_training)
    if any(not -len(maps) <= block < len(maps) for block in blocks):
        raise UsageError(f"scene: blocks {list(blocks)}; the encoder has {len(maps)}, from 0 or, from the end, from -1")
    return [maps[block].shape[1] for block in blocks]


def _join(centers: NDArray[np.float32], sizes: NDArray[np.int64], num_clusters: int) -> NDArray[np.int64]:
    """Merge overclusters into K by average linkage of the angles between their centres.

    The tree is cut low enough that K of its branches are large enough; smaller branches, such as transitions between
    categories, join the branch that is nearest on average.

    Args:
        centers: ``(n, D)``, with the mean of all points as origin; n >= K.
        sizes: ``(n,)`` number of points in each.
        num_clusters: K.

    Returns:
        ``(n,)`` int64 in [0, K).
    """
    # a centre in the very middle has no direction: it is as far from one as from any other
    lengths = np.linalg.norm(centers, axis=1, keepdims=True)
    directions = (centers / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float64)
    tree = linkage(directions, "average", metric="sqeuclidean")
    least = _LEAST_SHARE * sizes.sum() / num_clusters
    for count in range(num_clusters, len(centers) + 1):
        branches = cut_tree(tree, n_clusters=count)[:, 0]
        held = np.bincount(branches, weights=sizes, minlength=count)
        if np.count_nonzero(held >= least) >= num_clusters:
            break
    kept = np.sort(np.argsort(-held, kind="stable")[:num_clusters])
    apart = cdist(directions, directions, "sqeuclidean")
    mean = np.stack([apart[:, branches == branch].mean(axis=1) for branch in kept], axis=1)  # (n, K)
    joined = np.empty(len(centers), np.int64)
    for branch in range(count):
        members = branches == branch
        place = np.flatnonzero(kept == branch)
        joined[members] = place[0] if len(place) else mean[members].mean(axis=0).argmin()
    return joined
