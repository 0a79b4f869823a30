"""The accuracy-latency plot: what is on it, what is legible, and what cannot be drawn."""

from __future__ import annotations

import itertools
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from PIL import Image

from mnist_edge import OutputError, UsageError
from mnist_edge.bench.report import PlotPoint
from mnist_edge_trainer.evaluation.frontier import draw_frontier, pareto_front

POINTS = [
    PlotPoint("small", 0.92, 11, 30_000, "measured"),
    PlotPoint("one thread", 0.9963, 42.0, 73_500, "measured"),
    PlotPoint("two threads", 0.9963, 43.0, 73_500, "measured"),
    PlotPoint("a/folder/with/a/long/name/and/a/model.onnx", 0.9961, 42.5, 73_600, "measured"),
    PlotPoint("no mistake", 1.0, 900, 12_000_000, "measured"),
    PlotPoint("not timed", 0.9958, None, 76_000, "published"),
]


def test_pareto_front_has_the_points_that_none_beats() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        costs, errors = rng.integers(1, 12, (2, 15))
        points = list(zip(costs.tolist(), errors.tolist(), strict=True))
        unbeaten = {
            (cost, error)
            for cost, error in points
            if not any(c <= cost and e <= error and (c, e) != (cost, error) for c, e in points)
        }
        front = [points[index] for index in pareto_front(costs.tolist(), errors.tolist())]
        assert len(front) == len(set(front))
        assert set(front) == unbeaten
        assert front == sorted(front)


def drawn(points: list[PlotPoint], path: Path, monkeypatch: pytest.MonkeyPatch) -> Figure:
    """The figure that is written to `path`."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: Any, **options: Any) -> None:
        figures.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    draw_frontier(points, path)
    (figure,) = figures
    return figure


def labels(figure: Figure) -> list[list[Annotation]]:
    """The names of the points, of each panel."""
    return [[text for text in axes.texts if isinstance(text, Annotation)] for axes in figure.axes]


def test_both_panels_name_their_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = drawn(POINTS, tmp_path / "frontier.png", monkeypatch)
    timed, sized = ([label.get_text() for label in panel] for panel in labels(figure))
    assert sized == [*timed, "not timed"]
    assert timed[3].endswith("and/a/model.onnx")
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown[:2] == ["measured", "published"]
    with Image.open(tmp_path / "frontier.png") as image:
        assert image.width > 1000


def test_no_label_covers_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = drawn(POINTS, tmp_path / "frontier.png", monkeypatch)
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    figure.draw_without_rendering()
    for axes, panel in zip(figure.axes, labels(figure), strict=True):
        boxes = [Text.get_window_extent(label, renderer) for label in panel]
        assert not any(box.overlaps(other) for box, other in itertools.combinations(boxes, 2))
        for box in boxes:
            assert axes.bbox.containsx(box.x0)
            assert axes.bbox.containsx(box.x1)


def test_without_latencies_there_is_one_panel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "folder" / "frontier.svg"
    assert len(drawn(POINTS[-1:], path, monkeypatch).axes) == 1
    assert "<svg" in path.read_text(encoding="utf-8")


def test_same_points_make_the_same_file(tmp_path: Path) -> None:
    for suffix in ("png", "svg"):
        paths = [tmp_path / f"{name}.{suffix}" for name in ("first", "second")]
        for path in paths:
            draw_frontier(POINTS, path)
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_no_points_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no model to draw"):
        draw_frontier([], tmp_path / "none.png")


def test_unwritable_path_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        draw_frontier(POINTS, tmp_path / "file" / "frontier.png")


def test_entry_point_names_it() -> None:
    (plot,) = entry_points(group="mnist_edge.plots", name="frontier")
    assert plot.load() is draw_frontier
