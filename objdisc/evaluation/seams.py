"""Seams of tiled inference: whether clusters change more often where tiles meet than elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SeamFigure:
    """How often two neighbouring pixels differ across the lines where tiles meet, and everywhere else.

    Attributes:
        across: Share of neighbours across a line that differ, in [0, 1]; NaN if there is no line.
        inside: Share of all other neighbours that differ; NaN if there are none.
        pairs_across: Number of neighbours across a line.
        pairs_inside: Number of all other neighbours.
    """

    across: float
    inside: float
    pairs_across: int
    pairs_inside: int

    @property
    def ratio(self) -> float:
        """``across`` divided by ``inside``: 1 without visible seams; NaN or infinite if ``inside`` is 0 or NaN."""
        if self.inside == 0:
            return float("nan") if self.across == 0 else float("inf")
        return self.across / self.inside

    def to_json(self) -> dict[str, Any]:
        """Return the fields and the ratio as a dictionary."""
        return asdict(self) | {"ratio": self.ratio}


def seam_figure(clusters: NDArray[np.integer], rows: Iterable[int], columns: Iterable[int]) -> SeamFigure:
    """Compare label disagreement across tile borders with that inside tiles.

    Both directions count: vertical neighbours across a border row, horizontal neighbours across a border column.
    Pairs in which a pixel has no cluster (below 0) are left out.

    Args:
        clusters: ``(H, W)`` cluster or label ids.
        rows: Border rows in pixels: r stands for the line between rows r - 1 and r. Rows outside (0, H) are the image's
            own border and are ignored.
        columns: Border columns in the same way.

    Returns:
        The shares.
    """
    across = np.zeros(2, np.int64)  # differing, all
    inside = np.zeros(2, np.int64)
    for ids, borders in ((clusters, rows), (clusters.T, columns)):
        differ, pairs = _changes(ids)
        lines = sorted({border - 1 for border in borders if 0 < border < len(ids)})
        on_line = np.zeros(len(differ), np.bool_)
        on_line[lines] = True
        across += (int(differ[on_line].sum()), int(pairs[on_line].sum()))
        inside += (int(differ[~on_line].sum()), int(pairs[~on_line].sum()))
    return SeamFigure(_share(across), _share(inside), int(across[1]), int(inside[1]))


def tile_borders(tiles: Sequence[tuple[int, int, int, int]]) -> tuple[list[int], list[int]]:
    """Find the lines where predictions of one tile give way to another's.

    Where tiles overlap, these are all lines on which a tile begins or ends, since the blend changes there.

    Args:
        tiles: ``(x, y, width, height)`` of each tile in pixels.

    Returns:
        Border rows and border columns, ascending, as ``seam_figure`` takes them.
    """
    rows = {edge for _, y, _, height in tiles for edge in (y, y + height)}
    columns = {edge for x, _, width, _ in tiles for edge in (x, x + width)}
    return sorted(rows), sorted(columns)


def _changes(ids: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count, for each line between two rows, the neighbours that differ, and all pairs with two clusters."""
    differ, pairs = np.zeros(max(len(ids) - 1, 0), np.int64), np.zeros(max(len(ids) - 1, 0), np.int64)
    for line in range(len(differ)):  # row by row: a whole tile's comparison would take as much memory as the tile
        known = (ids[line] >= 0) & (ids[line + 1] >= 0)
        pairs[line] = np.count_nonzero(known)
        differ[line] = np.count_nonzero((ids[line] != ids[line + 1]) & known)
    return differ, pairs


def _share(counts: NDArray[np.int64]) -> float:
    return int(counts[0]) / int(counts[1]) if counts[1] else float("nan")
