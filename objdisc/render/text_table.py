"""Tables for a terminal or a file of plain text, laid out by rich."""

import io
from collections.abc import Collection, Sequence

from rich.console import Console
from rich.table import Table

_WIDE = 10_000  # characters: a table is never wrapped, a terminal does that


def text_table(head: Sequence[str], rows: Sequence[Sequence[object]], *, left: Collection[int] = (0,)) -> str:
    """Format rows under a head, with columns two spaces apart.

    Args:
        head: Title of each column; if all are empty, the head is left out.
        rows: A cell for each column, of any type that can be converted to text.
        left: Numbers of left-aligned columns, from 0; the others are right-aligned.

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
