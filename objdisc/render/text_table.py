"""Tables for a terminal or a file of plain text, laid out by rich."""

import io
from collections.abc import Collection, Sequence

from rich.console import Console
from rich.table import Table

_WIDE = 10_000  # characters: a table is never wrapped, a terminal does that


def text_table(head: Sequence[str], rows: Sequence[Sequence[object]], *, left: Collection[int] = (0,)) -> str:
    """Set rows under a head, columns two spaces apart.

    Args:
        head: Title of each column; no line is written for empty ones.
        rows: A cell for each column, of anything that has a text.
        left: Columns that stand left, from 0; the others stand right.

    Returns:
        Lines without spaces at their ends, and without a line end after the last.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(head))
    for place, title in enumerate(head):
        table.add_column(title, justify="left" if place in left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(str, row))
    file = io.StringIO()
    Console(file=file, width=_WIDE, color_system=None, markup=False, highlight=False, emoji=False).print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())
