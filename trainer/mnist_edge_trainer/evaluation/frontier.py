"""The accuracy-latency plot: error rate against latency and file size, with the Pareto fronts.

`mnist-edge bench --plot` finds `draw_frontier` as an entry point of the group ``mnist_edge.plots``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator
from matplotlib.transforms import Bbox, BboxBase

from mnist_edge.bench.report import PlotPoint
from mnist_edge.errors import UsageError
from mnist_edge.outputs.atomic import atomic_write, make_folder

__all__ = ["draw_frontier", "pareto_front"]

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours that the colour-blind can distinguish (Okabe and Ito 2008); markers differ too."""

_MARKERS = "osD^vP"

_LEAST_ERROR = 0.00005
"""Error rate at which a model without mistakes is drawn: half a picture in 10,000, not log 0."""

_STEPS = {5: (1, 1.5, 2, 3, 4, 5, 6, 8), 30: (1, 2, 3, 5, 7), 300: (1, 2, 5), math.inf: (1, 3)}
"""Round figures of a decade that an axis names, by the ratio of its ends."""

_LONGEST_LABEL = 32
"""Characters of a name; of a longer one, the end is shown."""

_DISTANCES = (7, 14, 24, 36, 50, 66)
"""Distances of a label from its point, 1/72 inch; the nearest that covers nothing is taken."""

_SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))
"""Directions from a point to its label: right, up."""


@dataclass(frozen=True)
class _Panel:
    """One pair of axes.

    Attributes:
        title: of the x axis.
        points: the models on it.
        costs: of each point: its x.
    """

    title: str
    points: list[PlotPoint]
    costs: list[float]

    @property
    def errors(self) -> list[float]:
        """Error rate of each point, percent: its y."""
        return [_error_percent(point) for point in self.points]


def pareto_front(costs: Sequence[float], errors: Sequence[float]) -> list[int]:
    """Indices of the points that no other point beats, the cheapest first.

    A point is beaten by one that costs no more and errs no more, and is better in one of the two.
    Of equal points, the first is in the front.

    Args:
        costs: of each point; less is better.
        errors: of each point; less is better.
    """
    front: list[int] = []
    for index in sorted(range(len(costs)), key=lambda index: (costs[index], errors[index])):
        if not front or errors[index] < errors[front[-1]]:
            front.append(index)
    return front


def draw_frontier(points: Sequence[PlotPoint], path: Path) -> None:
    """Draws the error rate against latency and against file size, with the front of each.

    Args:
        points: one for each model. Those without a latency are in the second panel alone; without
            any latency there is no other.
        path: the file to write; SVG where it ends in ``.svg`` and PNG otherwise.

    Raises:
        UsageError: there are no points.
        OutputError: `path` cannot be written.
    """
    if not points:
        raise UsageError("there is no model to draw; give one whose accuracy is known")
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
    # The same figures make the same file: no date, and no random names.
    with matplotlib.rc_context({"svg.hashsalt": "mnist-edge"}), atomic_write(path) as partial:
        if path.suffix == ".svg":
            figure.savefig(partial, format="svg", metadata={"Date": None, "Creator": None})
        else:
            figure.savefig(partial, format="png", dpi=120, metadata={"Software": None})


def _error_percent(point: PlotPoint) -> float:
    """Error rate of a model as it is drawn, percent."""
    return 100 * max(_LEAST_ERROR, 1 - point.accuracy)


def _panels(points: Sequence[PlotPoint]) -> list[_Panel]:
    sizes = _Panel("file, KiB", list(points), [point.size_bytes / 1024 for point in points])
    timed = [(point, point.latency_us) for point in points if point.latency_us is not None]
    if not timed:
        return [sizes]
    times = _Panel(
        "latency of one picture, p50, µs",
        [point for point, _ in timed],
        [latency for _, latency in timed],
    )
    return [times, sizes]


def _draw_panel(axes: Axes, panel: _Panel, all_points: Sequence[PlotPoint]) -> None:
    """Draws points and front; scale and styles are those of all points, alike in both panels."""
    errors = panel.errors
    _scale(axes, "x", panel.costs)
    _scale(axes, "y", [_error_percent(point) for point in all_points])
    axes.set_xlabel(panel.title)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    sources = dict.fromkeys(point.source for point in all_points)
    styles = itertools.cycle(zip(_COLOURS, _MARKERS, strict=True))
    for source, (colour, marker) in zip(sources, styles, strict=False):
        indices = [index for index, point in enumerate(panel.points) if point.source == source]
        axes.plot(
            [panel.costs[index] for index in indices],
            [errors[index] for index in indices],
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
    """Corners of the front: down to the cheapest point, along and down to the next, and on."""
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    errors = panel.errors
    best = [(panel.costs[index], errors[index]) for index in pareto_front(panel.costs, errors)]
    steps = [(after[0], before[1]) for before, after in itertools.pairwise([*best, (right, 0.0)])]
    return [(best[0][0], top), *itertools.chain.from_iterable(zip(best, steps, strict=True))]


def _scale(axes: Axes, direction: Literal["x", "y"], values: Sequence[float]) -> None:
    """A logarithmic scale with plain figures, from one round figure to another."""
    low, high = min(values) * 0.9, max(values) * 1.1
    steps = next(steps for span, steps in _STEPS.items() if high / low <= span)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    figures = [step * 10.0**decade for decade in decades for step in steps]
    ends = (
        max(figure for figure in figures if figure <= low),
        min(figure for figure in figures if figure >= high),
    )
    axes.set(**{f"{direction}scale": "log", f"{direction}lim": ends})
    axis = axes.xaxis if direction == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(figures))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FormatStrFormatter("%g"))


def _place_labels(axes: Axes, panel: _Panel, renderer: RendererAgg) -> None:
    """Puts each point's name beside it, where it covers no point, no line and no other name."""
    pixel = axes.figure.dpi / 72
    centres = axes.transData.transform(list(zip(panel.costs, panel.errors, strict=True)))
    line = axes.transData.transform(_corners(panel, axes))
    taken: list[BboxBase] = [
        *(Bbox([centre, centre]).padded(4 * pixel) for centre in centres),
        *(
            Bbox.from_extents(left, bottom, right, top).padded(pixel)
            for (left, top), (right, bottom) in itertools.pairwise(line)
        ),
    ]
    for point, cost, error in zip(panel.points, panel.costs, panel.errors, strict=True):
        label = axes.annotate(
            _shortened(point.name),
            (cost, error),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0},
            arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkB": 5},
        )
        label.set_in_layout(False)
        for box in _places(label, renderer):
            is_inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1
            is_inside = is_inside and axes.bbox.y0 <= box.y0 and box.y1 <= axes.bbox.y1
            if is_inside and not box.count_overlaps(taken):
                break
        taken.append(box)


def _places(label: Annotation, renderer: RendererAgg) -> Iterator[BboxBase]:
    """Moves a label around its point, from near to far, and yields the box that it covers there."""
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
    """The end of a long name: paths differ at their ends."""
    return name if len(name) <= _LONGEST_LABEL else f"…{name[1 - _LONGEST_LABEL :]}"
