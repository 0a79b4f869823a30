"""Accuracy against latency, and against size: what can be had for what, in one picture."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mnist_edge.errors import MissingExtraError, UsageError
from mnist_edge.outputs.atomic import atomic_write, make_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.text import Annotation
    from matplotlib.transforms import BboxBase

__all__ = ["Point", "draw_frontier", "frontier"]

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Told apart by the colour-blind (Okabe and Ito 2008); the marker says the same."""
_MARKERS = "osD^vP"
_LEAST_ERROR = 0.00005
"""Half a picture in 10,000: where what made no mistake is drawn, for zero has no logarithm."""
_STEPS = {5: (1, 1.5, 2, 3, 4, 5, 6, 8), 30: (1, 2, 3, 5, 7), 300: (1, 2, 5), math.inf: (1, 3)}
"""Round figures of a decade that an axis names, by the ratio of its ends."""
_LONGEST_LABEL = 32
_DISTANCES = (7, 14, 24, 36, 50, 66)
"""Of a label from its point, in 1/72 inch; the nearest that covers nothing is taken."""
_SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))


@dataclass(frozen=True)
class Point:
    """One model, as it is drawn.

    Attributes:
        name: its label.
        accuracy: top-1, fraction.
        latency_us: of one picture, median, microseconds; None where it was not measured.
        bytes: of its file.
        source: where the figures are from, such as ``"measured"``; each has a marker and a colour
            of its own, and a legend tells them apart.
    """

    name: str
    accuracy: float
    latency_us: float | None
    bytes: int
    source: str = ""

    @property
    def error(self) -> float:
        """Percent, as it is drawn."""
        return 100 * max(_LEAST_ERROR, 1 - self.accuracy)


@dataclass(frozen=True)
class _Panel:
    """Points, and what each costs."""

    title: str
    points: list[Point]
    costs: list[float]


def frontier(costs: Sequence[float], errors: Sequence[float]) -> list[int]:
    """Indices of what nothing beats, the cheapest first.

    A point is beaten by one that costs no more and errs no more, and is better in one of the two.
    Of equals the first is kept.
    """
    kept: list[int] = []
    for index in sorted(range(len(costs)), key=lambda index: (costs[index], errors[index])):
        if not kept or errors[index] < errors[kept[-1]]:
            kept.append(index)
    return kept


def draw_frontier(points: Sequence[Point], path: Path) -> None:
    """Draws the error rate against latency and against file size, with the frontier of each.

    Args:
        points: one for each model. Those without a latency are in the second panel alone; without
            any latency there is no other.
        path: where to; SVG where it ends in ``.svg`` and PNG otherwise.

    Raises:
        UsageError: there are no points.
        MissingExtraError: matplotlib is not installed.
        OutputError: `path` cannot be written.
    """
    if not points:
        raise UsageError("there is no model to draw; give one whose accuracy is known")
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"a picture needs {error.name}; install with: pip install 'mnist-edge[train]' "
            "(in a checkout: pip install '.[train]')"
        ) from error
    panels = _panels(points)
    figure = Figure(figsize=(5.4 * len(panels), 5.2), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, panel in zip(grid, panels, strict=True):
        _draw_panel(axes, panel, points)
    grid[0].set_ylabel("error rate, %")
    handles, labels = grid[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    # Where a label has room is known once everything else has its place.
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    figure.draw_without_rendering()
    for axes, panel in zip(grid, panels, strict=True):
        _place_labels(axes, panel, renderer)
    make_folder(path.parent)
    # The same figures make the same file: no date, and no names by chance.
    with matplotlib.rc_context({"svg.hashsalt": "mnist-edge"}), atomic_write(path) as partial:
        if path.suffix == ".svg":
            figure.savefig(partial, format="svg", metadata={"Date": None, "Creator": None})
        else:
            figure.savefig(partial, format="png", dpi=120, metadata={"Software": None})


def _panels(points: Sequence[Point]) -> list[_Panel]:
    sizes = _Panel("file, KiB", list(points), [point.bytes / 1024 for point in points])
    timed = [(point, point.latency_us) for point in points if point.latency_us is not None]
    if not timed:
        return [sizes]
    times = _Panel(
        "latency of one picture, p50, µs",
        [point for point, _ in timed],
        [latency for _, latency in timed],
    )
    return [times, sizes]


def _draw_panel(axes: Axes, panel: _Panel, every: Sequence[Point]) -> None:
    """Points and frontier; scale and styles are those of all points, alike in both panels."""
    errors = [point.error for point in panel.points]
    _scale(axes, "x", panel.costs)
    _scale(axes, "y", [point.error for point in every])
    axes.set_xlabel(panel.title)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    sources = dict.fromkeys(point.source for point in every)
    styles = itertools.cycle(zip(_COLOURS, _MARKERS, strict=True))
    for source, (colour, marker) in zip(sources, styles, strict=False):
        own = [index for index, point in enumerate(panel.points) if point.source == source]
        axes.plot(
            [panel.costs[index] for index in own],
            [errors[index] for index in own],
            linestyle="",
            color=colour,
            marker=marker,
            markersize=7,
            markeredgecolor="white",
            label=source,
        )
    line = _corners(panel, axes)
    axes.plot(
        [cost for cost, _ in line],
        [error for _, error in line],
        color="0.5",
        linewidth=1.2,
        label="frontier: nothing here is better in both",
        zorder=1,
    )


def _corners(panel: _Panel, axes: Axes) -> list[tuple[float, float]]:
    """Of the frontier: down to the cheapest, along and down from each to the next, and on."""
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    errors = [point.error for point in panel.points]
    best = [(panel.costs[index], errors[index]) for index in frontier(panel.costs, errors)]
    steps = [(after[0], before[1]) for before, after in itertools.pairwise([*best, (right, 0.0)])]
    return [(best[0][0], top), *itertools.chain.from_iterable(zip(best, steps, strict=True))]


def _scale(axes: Axes, direction: Literal["x", "y"], values: Sequence[float]) -> None:
    """A logarithmic scale with plain figures, from one round figure to another."""
    from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator

    low, high = min(values) * 0.9, max(values) * 1.1
    steps = next(steps for span, steps in _STEPS.items() if high / low <= span)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    figures = [step * 10.0**decade for decade in decades for step in steps]
    ends = max(one for one in figures if one <= low), min(one for one in figures if one >= high)
    axes.set(**{f"{direction}scale": "log", f"{direction}lim": ends})
    axis = axes.xaxis if direction == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(figures))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FormatStrFormatter("%g"))


def _place_labels(axes: Axes, panel: _Panel, renderer: RendererAgg) -> None:
    """Puts each point's name beside it, where it covers no point, no line, no other name."""
    from matplotlib.transforms import Bbox

    pixel = axes.figure.dpi / 72
    centres = axes.transData.transform(
        [(cost, point.error) for cost, point in zip(panel.costs, panel.points, strict=True)]
    )
    line = axes.transData.transform(_corners(panel, axes))
    taken: list[BboxBase] = [
        *(Bbox([centre, centre]).padded(4 * pixel) for centre in centres),
        *(
            Bbox.from_extents(left, bottom, right, top).padded(pixel)
            for (left, top), (right, bottom) in itertools.pairwise(line)
        ),
    ]
    for point, cost in zip(panel.points, panel.costs, strict=True):
        label = axes.annotate(
            _shortened(point.name),
            (cost, point.error),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0},
            arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkB": 5},
        )
        label.set_in_layout(False)
        for box in _places(label, renderer):
            inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1
            inside = inside and axes.bbox.y0 <= box.y0 and box.y1 <= axes.bbox.y1
            if inside and not box.count_overlaps(taken):
                break
        taken.append(box)


def _places(label: Annotation, renderer: RendererAgg) -> Iterator[BboxBase]:
    """Moves a label around its point, from near to far, and tells what it covers there."""
    from matplotlib.text import Text

    for distance, (right, up) in itertools.product(_DISTANCES, _SIDES):
        label.set_horizontalalignment(("center", "left", "right")[right])
        label.set_verticalalignment(("center", "bottom", "top")[up])
        scale = distance / math.hypot(right, up)
        assert label.arrow_patch is not None
        # Next to its point a name needs no line to it.
        label.arrow_patch.set_visible(distance > _DISTANCES[0])
        # A line passes under the names that are nearer.
        label.set_zorder(3 - distance / 100)
        label.set_position((right * scale, up * scale))
        label.update_positions(renderer)
        yield Text.get_window_extent(label, renderer)  # without its line


def _shortened(name: str) -> str:
    """Paths differ at their ends."""
    return name if len(name) <= _LONGEST_LABEL else f"…{name[1 - _LONGEST_LABEL :]}"
