"""Small tables on stdout: coloured on a terminal, plain text everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from mnist_edge.errors import one_line

__all__ = ["print_table"]


class _Console(Console):
    def on_broken_pipe(self) -> None:
        # Rich would exit with 1; a reader that has enough is no failure, here as everywhere.
        raise BrokenPipeError


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> None:
    """Prints rows under headers; the first columns, `words` of them, hold no figures."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for index, header in enumerate(headers):
        table.add_column(
            one_line(header), justify="left" if index < words else "right", no_wrap=True
        )
    for row in rows:
        table.add_row(*map(one_line, row))
    # Without a terminal there is no width to fit into, and a cut-off figure would be a wrong one.
    width = None if sys.stdout.isatty() else 200
    # Names are shown as they are: `[red]` and `:x:` mean nothing in them.
    _Console(width=width, highlight=False, markup=False, emoji=False).print(table)
