"""Which rows of the training set are clustered."""

from torch import Tensor

from objdisc.errors import UsageError
from objdisc.methods.base import Ranks


def rows_to_cluster(ranks: Ranks, num_clusters: int) -> Tensor:
    """Return the rows ``(n,)`` int64 of the foreground, in which K clusters are to be found.

    Raises:
        UsageError: There are fewer than K.
    """
    rows = ranks.foreground.nonzero()[:, 0]
    if len(rows) < num_clusters:
        raise UsageError(f"--num-clusters {num_clusters}: there are only {len(rows)} foreground patches")
    return rows
