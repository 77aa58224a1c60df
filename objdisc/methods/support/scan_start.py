"""Initialisation of SCAN's heads on the features that its neighbours were mined from, encoded once."""

import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.losses.scan import scan_loss
from objdisc.models.heads import SubHeads

_EPOCHS = 20
_BATCH = 500
_LR = 0.01
_SCALE = 0.02  # of the first weights, for features of variance 1
_DROPOUT = 0.3  # of features, in the place of views


def start_heads(
    heads: SubHeads, features: Tensor, near: Tensor, candidates: int, entropy_weight: float, seed: int
) -> None:
    """Train linear heads with the SCAN loss on fixed features, and keep those that end with the lowest loss.

    Heads from different random weights end in different optima; the loss of the whole set with all its neighbours
    shows, without labels, which one is better.

    Args:
        heads: S heads of K clusters, S <= candidates; they get the weights of the best.
        features: ``(n, F)`` float32 of the samples.
        near: ``(n, k)`` int64 positions of each sample's neighbours among them.
        candidates: Number of heads to train.
        entropy_weight: Lambda of the loss.
        seed: Random seed of initial weights, batches and neighbours.
    """
    kept, clusters = heads.bias.shape
    center = features.mean(dim=0)
    spread = (features - center).square().mean().sqrt().clamp_min(torch.finfo(features.dtype).eps)
    points = (features - center) / spread
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tried = SubHeads(features.shape[1], clusters, candidates, _SCALE).to(features.device)
        with torch.enable_grad():
            _train(tried, points, near, entropy_weight)
    lowest = _losses(tried, points, near, entropy_weight).argsort()[:kept]
    with torch.no_grad():
        weight = tried.weight[lowest] / spread
        heads.weight.copy_(weight)
        heads.bias.copy_(tried.bias[lowest] - weight @ center)


def _train(heads: SubHeads, points: Tensor, near: Tensor, entropy_weight: float) -> None:
    batches = -(-len(points) // _BATCH)
    optimizer = torch.optim.Adam(heads.parameters(), _LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _EPOCHS * batches)
    for _ in range(_EPOCHS):
        for rows in torch.randperm(len(points)).to(points.device).tensor_split(batches):
            column = torch.randint(near.shape[1], rows.shape).to(points.device)
            anchors, neighbors = (F.dropout(points[which], _DROPOUT) for which in (rows, near[rows, column]))
            loss = scan_loss(heads(anchors), heads(neighbors), entropy_weight).loss.sum()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()


@torch.no_grad()
def _losses(heads: SubHeads, points: Tensor, near: Tensor, entropy_weight: float) -> Tensor:
    """Return the loss ``(S,)`` of each head, averaged over all neighbours."""
    told = heads(points)
    return torch.stack([scan_loss(told, told[:, column], entropy_weight).loss for column in near.T]).mean(dim=0)
