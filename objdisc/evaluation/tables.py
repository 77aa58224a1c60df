"""Class x cluster counts and their summary as text, laid out like tables 2 and 3 of Hickson et al.

The layout is our own, since rich cannot set two tables side by side, each under a title over all its columns.
"""

from collections.abc import Iterator

from objdisc.evaluation.annotated import LabelSource
from objdisc.evaluation.metrics import ClusterMetrics
from objdisc.render.text_table import text_table

_SUMMARY = {
    "num_patches": "patches",
    "num_clusters": "clusters",
    "accuracy_floor": "accuracy floor (largest class)",
    "accuracy_majority": "accuracy, majority",
    "accuracy_hungarian": "accuracy, one to one",
    "accuracy_balanced": "accuracy, balanced over classes",
    "nmi": "NMI, arithmetic",
    "nmi_geometric": "NMI, geometric",
    "ari": "adjusted Rand index",
    "purity": "purity",
    "effective_clusters": "effective clusters",
}
_SEPARATOR = " | "

DETECTOR = "Agreement with the detector, whose classes these are; nobody has checked them."

Column = list[str]


def format_table(
    metrics: ClusterMetrics,
    baseline: ClusterMetrics | None = None,
    labels_from: LabelSource = "ground truth",
    *,
    max_width: int = 120,
) -> str:
    """Format the counts with one row a class and one column a cluster, and the summary numbers below.

    Two more rows give the class that each cluster is mapped to by majority and matched to one to one.

    Args:
        metrics: The method's numbers.
        baseline: The baseline's scores on the same patches: to the right of the method's as in table 3, or below if
            both would be wider than ``max_width``.
        labels_from: Where the classes come from. With a detector's classes, no score is called accuracy.
        max_width: Characters in a line; many clusters are split into several tables of at most this width.

    Returns:
        Monospaced text of several lines, without a line end after the last.
    """
    parts = [("Our method", metrics)] + ([("Baseline", baseline)] if baseline else [])
    names = list({name: None for _, part in parts for name in part.counts})
    head = ["Class", *names, "majority", "one to one"]
    sections = [(title, _columns(part, names)) for title, part in parts]
    tables = [_table(head, sections)]
    if len(tables[0][0]) > max_width:
        room = max_width - max(map(len, head)) - len(_SEPARATOR)
        tables = [_table(head, [(title, chunk)]) for title, part in sections for chunk in _chunks(part, room)]
    heading = [[DETECTOR]] if labels_from == "detector" else []
    return "\n\n".join("\n".join(table) for table in [*heading, *tables, _summary(parts, labels_from)])


def _columns(part: ClusterMetrics, names: list[str]) -> list[Column]:
    nothing = [0] * part.num_clusters
    return [
        [
            f"cluster {cluster}",
            *(str(part.counts.get(name, nothing)[cluster]) for name in names),
            part.majority[cluster] or "-",
            part.matched[cluster] or "-",
        ]
        for cluster in range(part.num_clusters)
    ]


def _chunks(columns: list[Column], room: int) -> Iterator[list[Column]]:
    """Split columns into groups that fit into ``room`` characters; a group has at least one."""
    chunk: list[Column] = []
    used = 0
    for column in columns:
        width = max(map(len, column)) + 2
        if chunk and used + width - 2 > room:
            yield chunk
            chunk, used = [], 0
        chunk.append(column)
        used += width
    yield chunk


def _table(head: Column, sections: list[tuple[str, list[Column]]]) -> list[str]:
    blocks = [_block("", [head], left=True)] + [_block(title, columns) for title, columns in sections]
    lines = [_SEPARATOR.join(parts).rstrip() for parts in zip(*blocks, strict=True)]
    rule = "-+-".join("-" * len(block[0]) for block in blocks)
    return [*lines[:2], rule, *lines[2:-2], rule, *lines[-2:]]


def _block(title: str, columns: list[Column], *, left: bool = False) -> list[str]:
    """Set columns side by side under a title; all lines have the same length."""
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join(cell.ljust(width) if left else cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in zip(*columns, strict=True)
    ]
    width = max(len(title), *map(len, lines))
    return [title.center(width), *(line.rjust(width) for line in lines)]


def in_words_of(labels_from: LabelSource, text: str) -> str:
    """Name scores: accuracy if people made the labels, agreement if a detector did."""
    return text.replace("ccuracy", "greement") if labels_from == "detector" else text


def _summary(parts: list[tuple[str, ClusterMetrics]], labels_from: LabelSource) -> list[str]:
    rows = {key: [getattr(part, key) for _, part in parts] for key in _SUMMARY}
    shown = {key: values for key, values in rows.items() if any(value is not None for value in values)}
    table = [[in_words_of(labels_from, _SUMMARY[key]), *map(_number, values)] for key, values in shown.items()]
    return text_table(["", *(title for title, _ in parts)], table).splitlines()


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
