"""Charts as files, drawn by matplotlib: bars with their spread, lines, and class x cluster counts."""

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, PercentFormatter, StrMethodFormatter
from numpy.typing import NDArray

_LONGEST = 40  # characters of a name
_CELL = 0.42  # inches
_FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "Arial Unicode MS", "Noto Sans")
"""Fonts that are tried for a character, in this order, if they are installed: class names may be in any script, and
matplotlib's own font has no Chinese, Japanese or Korean."""


@dataclass(frozen=True)
class Bar:
    """A number with its spread.

    Attributes:
        value: Length of the bar, from 0.
        low: Where the whisker starts.
        high: Where the whisker ends.
        text: Text beside the bar.
    """

    value: float
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class BarColumn:
    """One column of bars, with a number for each row.

    Attributes:
        title: Title above the column.
        bars: A bar for each row, or None.
        full: Value of a bar of full length; None for the largest value in the column.
    """

    title: str
    bars: Sequence[Bar | None]
    full: float | None = None


def bar_chart(title: str, names: Sequence[str], columns: Sequence[BarColumn]) -> Figure:
    """Draw columns of bars side by side; a row without a number shows a dash.

    Args:
        title: Title above everything.
        names: Names of the rows, from the top; long ones are shortened.
        columns: Columns from the left; each has as many bars as there are rows.
    """
    with mpl.rc_context(_style()):
        width = 3.5 + 2.4 * len(columns)  # inches; a bold letter takes at most a sixth of one
        figure = Figure(figsize=(width, 1.4 + 0.42 * len(names)), dpi=140, layout="constrained")
        figure.suptitle(_short(title, int(6 * width)), fontweight="bold")
        all_axes = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
        for axes, column in zip(all_axes, columns, strict=True):
            _draw_bars(axes, column)
        all_axes[0].set_yticks(range(len(names)), [_short(name) for name in names])
        all_axes[0].set_ylim(len(names) - 0.4, -0.6)
        return figure


def _draw_bars(axes: Axes, column: BarColumn) -> None:
    full = column.full or max((bar.high for bar in column.bars if bar is not None), default=0.0) or 1.0
    for row, bar in enumerate(column.bars):
        if bar is None:
            axes.text(0.02 * full, row, "–", va="center")
            continue
        axes.barh(row, min(max(bar.value, 0.0), full), height=0.55, color="#5696c8")
        low, high = (min(max(value, 0.0), full) for value in (bar.low, bar.high))
        if high > low:
            axes.plot([low, high], [row, row], color="#191919", marker="|")
        axes.text(max(min(bar.value, full), high) + 0.03 * full, row, bar.text, va="center")
    axes.set_xlim(0, 1.45 * full)  # numbers stand beside the longest bars
    axes.set_xticks([0, full / 2, full] if column.full else [0])
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_title(_short(column.title, 20))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e1e1e1")
    axes.set_axisbelow(True)


def line_chart(
    series: Mapping[str, Sequence[tuple[float, float]]], x_title: str, y_title: str, *, logarithmic: bool = True
) -> Figure:
    """Draw points joined by lines.

    Args:
        series: Name to ``(x, y)`` points, at least one in all; x > 0 on a logarithmic axis.
        x_title: Title under the axis.
        y_title: Title beside the axis.
        logarithmic: Whether the x axis is logarithmic.
    """
    with mpl.rc_context(_style()):
        figure = Figure(figsize=(6.5, 4), layout="constrained")
        axes = figure.add_subplot()
        for number, (name, line) in enumerate(series.items()):
            xs, ys = zip(*sorted(line), strict=True) if line else ((), ())
            # lines that lie on each other are all seen
            axes.plot(xs, ys, marker="o", markersize=4, linewidth=1 + 0.8 * (len(series) - 1 - number), label=name)
        if logarithmic:
            axes.set_xscale("log")
        values = sorted({x for line in series.values() for x, _ in line})
        axes.xaxis.set_major_locator(FixedLocator(values))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set(xlabel=x_title, ylabel=y_title)
        axes.grid(axis="y", color="#dddddd")
        figure.legend(loc="outside right upper", frameon=False)
        return figure


def confusion_matrix(counts: Mapping[str, Sequence[int]], matched: Sequence[str | None]) -> Figure:
    """Draw a confusion matrix: rows are classes, columns are clusters, cells are shares of the class in percent.

    Clusters stand in the order of their classes, so that agreement is a diagonal; clusters without a class come last.
    scikit-learn's ``ConfusionMatrixDisplay`` takes only square matrices.

    Args:
        counts: Patches of each class in each of K clusters.
        matched: ``K`` names of the classes that clusters are matched to one to one; None for a spare cluster.
    """
    classes = list(counts)
    order = sorted(range(len(matched)), key=lambda cluster: _place(matched[cluster], classes))
    table = np.array([[counts[name][cluster] for cluster in order] for name in classes], np.float64)
    table = table.reshape(len(classes), len(order))
    shares = table / table.sum(axis=1, keepdims=True).clip(1)
    with mpl.rc_context(_style()):
        size = (max(3.2 + _CELL * len(order), 5.0), 1.5 + _CELL * len(classes))
        figure = Figure(figsize=size, dpi=110, layout="constrained")
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
        for (row, column), share in np.ndenumerate(shares):
            if share >= 0.005:
                axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=_ink(share))
        axes.set_xticks(range(len(order)), [str(cluster) for cluster in order])
        axes.set_yticks(range(len(classes)), [_short(name) for name in classes])
        axes.tick_params(length=0, labeltop=True, labelbottom=False)
        axes.set_title("percent of each class (rows) in each cluster (columns)", fontsize=9)
        figure.colorbar(image, ax=axes, format=PercentFormatter(1), shrink=0.8)
        return figure


def as_pixels(figure: Figure) -> NDArray[np.uint8]:
    """Draw a chart as ``(H, W, 3)`` uint8 RGB."""
    canvas: Any = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # of a script that no installed font has
        canvas.draw()
    return np.asarray(canvas.buffer_rgba(), np.uint8)[..., :3].copy()


def as_svg(figure: Figure) -> str:
    """Draw a chart as an ``<svg>`` document with its words as text; the same chart gives the same document."""
    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "objdisc"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


def _place(name: str | None, classes: Sequence[str]) -> int:
    return classes.index(name) if name in classes else len(classes)


def _ink(share: float) -> str:
    return "white" if share > 0.5 else "#202020"


def _short(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


@cache
def _style() -> Any:
    installed = set(font_manager.get_font_names())
    return {
        "font.family": [name for name in _FONTS if name in installed],
        "font.size": 9,
        "text.parse_math": False,  # a dollar is a dollar
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
