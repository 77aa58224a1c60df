"""The finds of a search as a table, a list, a sheet, and drawn into the frames."""

import csv
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objdisc.errors import UnreadableImageError
from objdisc.imaging.colors import Color, cluster_colors
from objdisc.imaging.decode import read_rgb
from objdisc.io.files import atomic_write, write_image
from objdisc.render.hits import draw_hits, hit_sheet
from objdisc.render.text_table import text_table
from objdisc.types import Patch

log = logging.getLogger("objdisc")

_ON_SHEET = 200  # finds that a sheet shows
_NAMED = 5  # missing images that are named one by one
_COLUMNS = ["rank", "similarity", "distance", "cluster", "confidence", "x", "y", "width", "height", "image", "row"]


@dataclass(frozen=True)
class Find:
    """One object that was found.

    Attributes:
        rank: From 1.
        row: Row of the index and of the patch store.
        distance: Euclidean, between embeddings.
        similarity: Cosine of the embeddings; None if they do not have unit length.
        cluster: Its cluster.
        confidence: Probability of the cluster.
        patch: Where it lies.
        image: The file it lies in.
    """

    rank: int
    row: int
    distance: float
    similarity: float | None
    cluster: int
    confidence: float
    patch: Patch
    image: Path

    @property
    def measure(self) -> float:
        """The measure by which finds are ranked in tables: the similarity if there is one, else the distance."""
        return self.distance if self.similarity is None else self.similarity

    def called(self, names: Mapping[int, str]) -> str:
        """Return the cluster's number, and its name if it has one."""
        return f"{self.cluster} {names.get(self.cluster, '')}".strip()


def table(finds: Sequence[Find], names: Mapping[int, str]) -> str:
    """Format one or more finds as a table for the terminal.

    Args:
        finds: Best first.
        names: Names of the clusters.
    """
    head = ("rank", measure_name(finds), "cluster", "box", "image")
    rows = [
        (
            find.rank,
            f"{find.measure:.3f}",
            find.called(names),
            ",".join(map(str, find.patch.region.box)),
            find.image,
        )
        for find in finds
    ]
    return text_table(head, rows, left=(2, 3, 4))


def measure_name(finds: Sequence[Find]) -> str:
    """Return the name of ``Find.measure`` for these finds."""
    return "distance" if finds[0].similarity is None else "similarity"


def write_list(path: Path, finds: Sequence[Find]) -> None:
    """Write finds as a CSV file, one line each."""
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for find in finds:
            similarity = "" if find.similarity is None else f"{find.similarity:.6f}"
            measures = [similarity, f"{find.distance:.6f}", find.cluster, f"{find.confidence:.4f}"]
            writer.writerow([find.rank, *measures, *find.patch.region.box, find.image, find.row])


def write_sheet(
    path: Path,
    title: str,
    lines: Sequence[str],
    query: NDArray[np.uint8] | None,
    finds: Sequence[Find],
    images: NDArray[np.uint8],
    names: Mapping[int, str],
) -> None:
    """Write the query and the first 200 finds as one picture.

    Args:
        path: The picture.
        title: Title of the search.
        lines: Further lines about it.
        query: ``(S, S, 4)`` uint8 patch; None for none.
        finds: Best first, at least one.
        images: ``(N, S, S, 4)`` uint8 patches of the store.
        names: Names of the clusters.
    """
    shown = finds[:_ON_SHEET]
    palette = _palette(finds)
    cut = "" if len(shown) == len(finds) else f" (the first {len(shown)} of {len(finds)} are shown)"
    picture = hit_sheet(
        title,
        [*lines, f"below each: rank, {measure_name(finds)}, cluster{cut}"],
        query,
        [images[find.row] for find in shown],
        [f"{find.rank}: {find.measure:.2f}  {find.called(names)}" for find in shown],
        [palette[find.cluster] for find in shown],
    )
    write_image(path, picture)


def write_retrieved_frames(
    folder: Path, finds: Sequence[Find], most: int, stretch: tuple[float, float] | None = None
) -> None:
    """Draw the best finds into their frames; frames that cannot be read are named in the log.

    Args:
        folder: Where the pictures go.
        finds: Best first.
        most: Most frames to draw.
        stretch: Stretch of measured values, as ``read_rgb`` takes it.
    """
    palette = _palette(finds)
    by_frame: dict[str, list[Find]] = {}
    for find in finds:
        by_frame.setdefault(find.patch.sample, []).append(find)
    missing: list[Path] = []
    for sample, here in list(by_frame.items())[:most]:
        image = _read_frame(here[0], stretch)
        if image is None:
            missing.append(here[0].image)
            continue
        labels = [f"{find.rank}: {find.measure:.2f}" for find in here]
        colors = [palette[find.cluster] for find in here]
        picture = draw_hits(image, [find.patch.region for find in here], labels, colors)
        write_image(folder / f"{here[0].rank:03d}_{sample.replace('/', '_')}.jpg", picture)
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        log.warning(
            "%d frames have moved or changed, and are not drawn: %s%s; "
            "name the folder they are in now: objdisc retrieve RUN FOLDER ...",
            len(missing),
            ", ".join(map(str, missing[:_NAMED])),
            more,
        )


def drawn_frames(folder: Path) -> list[str]:
    """List the frames that an earlier search has drawn, relative to its folder."""
    return [f"overlays/{path.name}" for path in (folder / "overlays").glob("[0-9][0-9][0-9]_*.jpg")]


def _read_frame(find: Find, stretch: tuple[float, float] | None) -> NDArray[np.uint8] | None:
    """Read the frame of a find; None if it is missing, or if another image has its name."""
    try:
        image = read_rgb(find.image, stretch)
    except UnreadableImageError:
        return None
    return image if image.shape[:2] == find.patch.frame else None


def _palette(finds: Sequence[Find]) -> list[Color]:
    colors = cluster_colors(max(find.cluster for find in finds) + 1)
    return [(int(red), int(green), int(blue)) for red, green, blue in colors]
