"""Discovery of new categories: groups of objects that lie apart from everything known, found without labels."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.projections import view_discriminant

NEIGHBORS = 5
"""Number of nearest objects whose mean distance measures how near an object is to a set of others."""

_DIRECTIONS = 16  # of the discriminant
_PARTS = 10  # of the images, in their order
_KNOWN_SHARE = 0.9  # of the known objects, which lie nearer to those of other parts than what is far from all
_FEWEST = 8  # objects of a group, as of a cluster that ``clustering.number`` recommends
_FEWEST_IMAGES = 3
_TIMES = 2  # as large as groups of outliers


@dataclass(frozen=True)
class Seen:
    """Objects as an encoder sees them.

    Attributes:
        features: ``(n, F)`` float32.
        views: ``(V, n, F)`` float32 of V >= 2 augmented views of each.
        images: ``(n,)`` image of each object; images taken one after the other have consecutive numbers where that is
            known.
    """

    features: Tensor
    views: Tensor
    images: NDArray[np.integer]


@dataclass(frozen=True)
class NewGroups:
    """Groups of new objects besides the known ones, in the space in which they were found.

    Attributes:
        weight: ``(D, F)`` of the projection of features of unit length.
        bias: ``(D,)`` of the projection.
        known: ``(n, D)`` points of the known objects, of unit length.
        members: ``(p, D)`` points of the new objects that are in a group.
        groups: ``(p,)`` int64 group of each of these points, in [0, m), the largest group first.
        threshold: Mean distance to the nearest known objects above which an object is far from all of them.
        far: Share of the new objects that are far from all known ones, 0 to 1.
    """

    weight: Tensor
    bias: Tensor
    known: Tensor
    members: Tensor
    groups: Tensor
    threshold: float
    far: float

    @property
    def count(self) -> int:
        """How many groups there are."""
        return int(self.groups.max()) + 1 if len(self.groups) else 0


def find_new_groups(known: Seen, new: Seen) -> NewGroups:
    """Find groups of objects that resemble each other but no known ones; there may be none.

    The space in which a run separates its categories was chosen for those alone: in it, objects of another category lie
    among the known ones. Known and new objects are therefore projected together, to the 16 directions that separate all
    of them but not their augmented views (Fisher's discriminant), and brought to unit length. An object's distance from
    the known ones is the mean distance to the five nearest. The known objects set the threshold: an object is far if it
    lies farther from them than 90 % of them lie from known objects of other images. For that, the images are divided in
    their order into ten stretches, and neighbours from an object's own stretch do not count: in a video they are the
    same object again, and everything that comes later would seem new. The new objects that are far are grouped by
    density (DBSCAN, Ester et al. 1996) with the same distance and the same five neighbours, so that members of a group
    are as near to each other as known objects are. Outliers of known categories, at most a tenth of the objects, are
    scattered around all categories and too sparse to form such a group if both sets have equally many objects; the
    caller draws them so.

    A group is a category if it has at least eight objects (fewer say nothing of a cluster) in three images (or in all,
    where there are fewer): something seen on one occasion is not yet a category. It must also be twice as large as any
    group that the outliers among the known objects form in the same way: the views of one car that is filmed in frame
    after frame are such a group, but no category.

    All numbers were chosen on the toy city and on CamVid's training split, whose classes were hidden. Groups are seldom
    found if the encoder's features do not hold the classes together, as with ImageNet weights on digits and on
    CIFAR-10's small pictures. Another camera or another light makes known objects look new.

    Args:
        known: The known objects.
        new: The objects that may be new.
    """
    views = F.normalize(torch.cat([known.views, new.views], dim=1).float(), dim=2)
    weight, bias = view_discriminant(views, min(_DIRECTIONS, views.shape[2]))
    old, points = (project(seen.features, weight, bias) for seen in (known, new))
    if len(old) <= NEIGHBORS or not len(points):
        none = torch.zeros(0, dtype=torch.int64)
        return NewGroups(weight, bias, old, points[:0], none, float("inf"), 0.0)
    usual, away = nearness(old, old, _parts(known.images)), nearness(points, old)
    threshold = float(usual.quantile(_KNOWN_SHARE))
    outliers, groups = (_dense(each, far > threshold, threshold) for each, far in ((old, usual), (points, away)))
    least = max(_FEWEST, _TIMES * max(_sizes(outliers), default=0))
    renamed = torch.full_like(groups, -1)
    for number, group in enumerate(_largest_first(groups, new.images, least)):
        renamed[groups == group] = number
    inside = renamed >= 0
    share = float((away > threshold).float().mean())
    return NewGroups(weight, bias, old, points[inside.to(points.device)], renamed[inside], threshold, share)


def _dense(points: Tensor, chosen: Tensor, reach: float) -> Tensor:
    """Group the chosen points of ``(n, D)`` by density: the group ``(n,)`` int64 of each on the CPU, or -1."""
    groups, rows = torch.full((len(points),), -1), chosen.cpu()
    if rows.any():
        found = DBSCAN(eps=max(reach, 1e-6), min_samples=NEIGHBORS).fit_predict(points.cpu().numpy()[rows.numpy()])
        groups[rows] = torch.from_numpy(found).long()
    return groups


def _sizes(groups: Tensor) -> list[int]:
    counts: list[int] = torch.bincount(groups[groups >= 0]).tolist()
    return counts


def _parts(images: NDArray[np.integer]) -> Tensor:
    """Return which of ten stretches of images each object is in, or which image if there are fewer."""
    numbers, place = np.unique(images, return_inverse=True)
    return torch.from_numpy(place * min(_PARTS, len(numbers)) // len(numbers))


def project(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Project features ``(n, F)`` to points ``(n, D)`` float32 of unit length."""
    with torch.autocast(features.device.type, enabled=False):
        return F.normalize(F.normalize(features.float(), dim=1) @ weight.T + bias, dim=1)


def nearness(points: Tensor, others: Tensor, parts: Tensor | None = None) -> Tensor:
    """Return the mean Euclidean distance ``(n,)`` of points to the five nearest others, or to all if there are fewer.

    Args:
        points: ``(n, D)`` of unit length.
        others: ``(m, D)`` of unit length, m >= 1.
        parts: ``(n,)`` part of each point, if ``others`` are the points themselves: those in a point's own part do not
            count, unless all are in one part.
    """
    with torch.autocast(points.device.type, enabled=False):
        squared = 2 - 2 * points.float() @ others.float().T
        if parts is not None:
            parts = parts.to(points.device)
            if int(parts.max()) == int(parts.min()):
                parts = torch.arange(len(points), device=points.device)
            squared = squared.masked_fill(parts[:, None] == parts[None], 4.0)  # none is farther
        near = squared.topk(min(NEIGHBORS, len(others)), dim=1, largest=False).values
        return near.clamp_min(0).sqrt().mean(dim=1)


def _largest_first(groups: Tensor, images: NDArray[np.integer], least: int) -> list[int]:
    """Return the groups that are categories, the largest first; equally large ones stay in order."""
    wanted, sizes = min(_FEWEST_IMAGES, len(np.unique(images))), _sizes(groups)
    occasions = [len(np.unique(images[(groups == group).numpy()])) for group in range(len(sizes))]
    kept = [group for group, size in enumerate(sizes) if size >= least and occasions[group] >= wanted]
    return sorted(kept, key=lambda group: -sizes[group])
