"""What the plots of an evaluation share: colours, shortened names, and how a figure is saved."""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from mnist_edge.errors import one_line
from mnist_edge.outputs.atomic import atomic_write, make_folder

__all__ = ["BLUE", "GRAY", "GREEN", "ORANGE", "save_figure", "shorten"]

BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#999999"
"""Colours that the colour-blind can distinguish (Okabe and Ito 2008)."""


def shorten(name: str, length: int) -> str:
    """Shortens a name to `length` characters; escapes ``$``, which begins a formula, and controls.

    Control characters would make an SVG file that nothing opens.
    """
    name = one_line(name)
    short = name if len(name) <= length else name[: length - 1] + "…"
    return short.replace("$", r"\$")


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure: SVG where the path ends in ``.svg``, PNG otherwise.

    The same figure makes the same file: without a date, and without random names.

    Raises:
        OutputError: `path` cannot be written.
    """
    make_folder(path.parent)
    with (
        matplotlib.rc_context({"svg.hashsalt": "mnist-edge"}),
        atomic_write(path) as partial,
        warnings.catch_warnings(),
    ):
        # A box is drawn for a letter that the font does not have.
        warnings.filterwarnings("ignore", "Glyph")
        if path.suffix == ".svg":
            figure.savefig(partial, format="svg", metadata={"Date": None, "Creator": None})
        else:
            figure.savefig(partial, format="png", dpi=120, metadata={"Software": None})
