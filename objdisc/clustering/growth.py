"""What is new among objects: groups that lie apart from everything that is known, found without labels."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.projections import view_discriminant

NEIGHBORS = 5
"""Nearest objects whose mean distance says how near an object is to a set of others."""

_DIRECTIONS = 16  # of the discriminant
_KNOWN_SHARE = 0.95  # of the known objects, which lie nearer to other known ones than what is far from them
_FEWEST = 8  # objects of a group, as of a cluster that ``clustering.number`` recommends
_FEWEST_IMAGES = 3


@dataclass(frozen=True)
class NewGroups:
    """Groups of new objects beside the known ones, in the space that they were found in.

    Attributes:
        weight: ``(D, F)`` of the projection of features of unit length.
        bias: ``(D,)`` of the projection.
        known: ``(n, D)`` points of the known objects, of unit length.
        members: ``(p, D)`` points of the new objects that are in a group.
        groups: ``(p,)`` int64 group of each of these, in [0, m), the largest group first.
        threshold: Mean distance to the nearest known objects above which an object is far from all.
        far: Share of the new objects that are, 0 to 1.
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


def find_new_groups(known: tuple[Tensor, Tensor], new: tuple[Tensor, Tensor], images: NDArray[np.integer]) -> NewGroups:
    """Find groups of objects that are unlike all known ones and like each other; there may be none.

    The space in which a run tells its categories apart was chosen for those alone: in it, objects of another category
    lie among the known ones. Known and new objects are therefore seen together, in the 16 directions that tell all of
    them apart but not their augmented views (Fisher's discriminant), brought to unit length. An object is as far from
    the known ones as the mean distance to the five nearest. How far is far is told by the known objects themselves:
    farther than 95 % of them lie from the others. Those objects of the new ones are grouped by density (DBSCAN, Ester
    et al. 1996) with the same distance and the same five neighbours, so that members of a group are as near to each
    other as known objects are. Outliers of known categories, a twentieth of the objects, are strewn around all
    of these and too thin to be such a group, where both sets have equally many objects; the caller draws them so.

    A group is a category if it has at least eight objects (fewer say nothing of a cluster) in three images (or in all,
    where there are fewer): what is seen on one occasion is not yet a category.

    The three numbers and the directions (12, 16, 20 and 24 were tried) were chosen on the toy city, whose classes were
    hidden one or two at a time, and held on CamVid's training split: no group appeared where nothing was hidden.
    Groups are seldom found where the encoder's features do not hold the classes together, as those of ImageNet do
    not for digits and for CIFAR-10's small pictures: then no category is new. A camera that blurs and tints makes
    known objects look new.

    Args:
        known: Features ``(n, F)`` float32 of known objects, and ``(V, n, F)`` of V >= 2 augmented views of each.
        new: Features ``(m, F)`` float32 of new objects, and ``(V, m, F)`` of as many views of each.
        images: ``(m,)`` which image each new object is in.
    """
    views = F.normalize(torch.cat([known[1], new[1]], dim=1).float(), dim=2)
    weight, bias = view_discriminant(views, min(_DIRECTIONS, views.shape[2]))
    old, points = (project(features, weight, bias) for features in (known[0], new[0]))
    groups, threshold, far = torch.full((len(points),), -1), float("inf"), torch.zeros(len(points), dtype=torch.bool)
    if len(old) > NEIGHBORS:
        usual = nearness(old, old, own=True)
        threshold = float(usual.quantile(_KNOWN_SHARE))
        far = (nearness(points, old) > threshold).cpu()
    if far.any():
        found = DBSCAN(eps=max(threshold, 1e-6), min_samples=NEIGHBORS).fit_predict(points.cpu().numpy()[far.numpy()])
        groups[far] = torch.from_numpy(found).long()
    kept = _largest_first(groups, images)
    renamed = torch.full_like(groups, -1)
    for number, group in enumerate(kept):
        renamed[groups == group] = number
    inside = renamed >= 0
    share = float(far.float().mean()) if len(far) else 0.0
    return NewGroups(weight, bias, old, points[inside.to(points.device)], renamed[inside], threshold, share)


def project(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the points ``(n, D)`` float32 of unit length of features ``(n, F)`` under a projection."""
    with torch.autocast(features.device.type, enabled=False):
        return F.normalize(F.normalize(features.float(), dim=1) @ weight.T + bias, dim=1)


def nearness(points: Tensor, others: Tensor, *, own: bool = False) -> Tensor:
    """Return the mean Euclidean distance ``(n,)`` of points to the five nearest of others, or to all of fewer.

    Args:
        points: ``(n, D)`` of unit length.
        others: ``(m, D)`` likewise, m >= 1.
        own: Whether others are the points themselves, of which none counts for itself.
    """
    with torch.autocast(points.device.type, enabled=False):
        squared = 2 - 2 * points.float() @ others.float().T
        if own:
            squared = squared + 8 * torch.eye(len(points), device=points.device)
        near = squared.topk(min(NEIGHBORS, len(others) - own), dim=1, largest=False).values
        return near.clamp_min(0).sqrt().mean(dim=1)


def _largest_first(groups: Tensor, images: NDArray[np.integer]) -> list[int]:
    """Return the groups that are categories, the largest first, of equally large ones the first."""
    wanted = min(_FEWEST_IMAGES, len(np.unique(images)))
    sizes = {}
    for group in range(int(groups.max()) + 1 if len(groups) else 0):
        members = (groups == group).numpy()
        if members.sum() >= _FEWEST and len(np.unique(images[members])) >= wanted:
            sizes[group] = int(members.sum())
    return sorted(sizes, key=lambda group: -sizes[group])
