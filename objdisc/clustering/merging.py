"""Merging many clusters into few, by how often samples that belong together fall into each pair of clusters."""

import torch
from sklearn.cluster import SpectralClustering
from torch import Tensor

_TIE = 1e-6  # of the mean weight


@torch.no_grad()
def merge_by_information(joint: Tensor, num_clusters: int) -> tuple[Tensor, float]:
    """Merge clusters pair by pair: always the two whose union loses the least mutual information.

    This is the agglomerative information bottleneck (Slonim and Tishby, NIPS 1999) with both variables merged alike: if
    the two views of samples often fall into two different clusters, these are two parts of one cluster.

    Args:
        joint: ``(n, n)`` how often cluster i of one view met cluster j of the other, >= 0, any scale.
        num_clusters: K, at most n.

    Returns:
        ``(n,)`` int64, the merged cluster in [0, K) of each cluster, and the remaining mutual information in nats.
    """
    table = (joint + joint.T).double()
    table = table / table.sum().clamp_min(torch.finfo(torch.float64).tiny)
    groups = torch.arange(len(table), device=joint.device)
    while len(table) > num_clusters:
        first, second = divmod(int(_loss_of_merging(table).argmin()), len(table))
        first, second = min(first, second), max(first, second)
        table[first] += table[second]
        table[:, first] += table[:, second]
        kept = torch.arange(len(table), device=joint.device) != second
        table = table[kept][:, kept]
        groups[groups == second] = first
        groups[groups > second] -= 1
    return groups, float(_x_log_x(table).sum() - 2 * _x_log_x(table.sum(1)).sum())


def merge_by_cut(joint: Tensor, num_clusters: int, seed: int) -> Tensor:
    """Merge clusters by normalised cuts of the graph that joins those that often meet.

    The graph's weights are the joint's entries, so that a cluster of few samples is cut off no more easily than one of
    many (Shi and Malik, PAMI 2000); scikit-learn's spectral clustering does the work.

    Args:
        joint: ``(n, n)`` how often cluster i met cluster j, >= 0, any scale.
        num_clusters: K, at most n.
        seed: Seed of the k-means in spectral clustering.

    Returns:
        ``(n,)`` int64, the merged cluster in [0, K) of each cluster.
    """
    weights = (joint + joint.T).double()
    # a weak tie between all, so that clusters which met nobody have a place as well
    weights = weights / weights.mean().clamp_min(torch.finfo(torch.float64).tiny) + _TIE
    if num_clusters == len(weights):
        return torch.arange(len(weights), device=joint.device)
    cut = SpectralClustering(num_clusters, affinity="precomputed", random_state=seed, n_init=20)
    groups: Tensor = torch.from_numpy(cut.fit_predict(weights.cpu().numpy())).long().to(joint.device)
    return groups


def _loss_of_merging(table: Tensor) -> Tensor:
    """Return the mutual information ``(n, n)`` that each pair's union would lose; infinite on the diagonal.

    With h(p) = p log p, the information is the sum of h over the table minus twice the sum over its marginal. Merging i
    and j replaces their rows, their columns, and the four cells where those cross.
    """
    marginal, diagonal = table.sum(1), table.diagonal()
    h = _x_log_x(table)
    union = _x_log_x(table[:, None] + table[None])  # (n, n, n): row i plus row j, at column l
    own = torch.arange(len(table), device=table.device)
    rows = union.sum(2) - union[own[:, None], own, own[:, None]] - union[own[:, None], own, own]  # but l = i, j
    crossing = _x_log_x(diagonal[:, None] + diagonal + 2 * table)
    before = h.sum(1) - h.diagonal()
    rows_before = before[:, None] + before - 2 * h
    crossing_before = h.diagonal()[:, None] + h.diagonal() + 2 * h
    marginals = _x_log_x(marginal[:, None] + marginal) - _x_log_x(marginal)[:, None] - _x_log_x(marginal)
    loss = 2 * (rows_before - rows) + crossing_before - crossing + 2 * marginals
    return loss.fill_diagonal_(torch.inf)


def _x_log_x(p: Tensor) -> Tensor:
    product: Tensor = torch.special.xlogy(p, p)
    return product
