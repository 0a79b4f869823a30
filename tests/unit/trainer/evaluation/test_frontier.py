"""The picture of the frontier: what is on it, what is legible, what it says without matplotlib."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from PIL import Image

from mnist_edge import MissingExtraError, OutputError, UsageError
from mnist_edge_trainer.evaluation.frontier import Point, draw_frontier, frontier

POINTS = [
    Point("small", 0.92, 11, 30_000, "measured"),
    Point("one thread", 0.9963, 42.0, 73_500, "measured"),
    Point("two threads", 0.9963, 43.0, 73_500, "measured"),
    Point("a/folder/with/a/long/name/and/a/model.onnx", 0.9961, 42.5, 73_600, "measured"),
    Point("no mistake", 1.0, 900, 12_000_000, "measured"),
    Point("not timed", 0.9958, None, 76_000, "published"),
]


def test_the_frontier_is_what_nothing_beats() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        costs, errors = rng.integers(1, 12, (2, 15))
        own = list(zip(costs.tolist(), errors.tolist(), strict=True))
        unbeaten = {
            (cost, error)
            for cost, error in own
            if not any(c <= cost and e <= error and (c, e) != (cost, error) for c, e in own)
        }
        found = [own[index] for index in frontier(costs.tolist(), errors.tolist())]
        assert len(found) == len(set(found))
        assert set(found) == unbeaten
        assert found == sorted(found)


def drawn(points: list[Point], path: Path, monkeypatch: pytest.MonkeyPatch) -> Figure:
    """The figure that is written to `path`."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: object, **options: object) -> None:
        figures.append(figure)
        save(figure, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", keep)
    draw_frontier(points, path)
    (figure,) = figures
    return figure


def labels(figure: Figure) -> list[list[Annotation]]:
    """Of each panel."""
    return [[text for text in axes.texts if isinstance(text, Annotation)] for axes in figure.axes]


def test_both_panels_name_what_they_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    for axes, panel in zip(figure.axes, labels(figure), strict=True):
        boxes = [Text.get_window_extent(label, renderer) for label in panel]
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
        for box in boxes:
            assert axes.bbox.containsx(box.x0)
            assert axes.bbox.containsx(box.x1)


def test_without_latencies_there_is_one_panel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "folder" / "frontier.svg"
    assert len(drawn(POINTS[-1:], path, monkeypatch).axes) == 1
    assert "<svg" in path.read_text(encoding="utf-8")


def test_the_same_points_make_the_same_file(tmp_path: Path) -> None:
    for suffix in ("png", "svg"):
        paths = [tmp_path / f"{name}.{suffix}" for name in ("one", "two")]
        for path in paths:
            draw_frontier(POINTS, path)
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_what_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no model to draw"):
        draw_frontier([], tmp_path / "none.png")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        draw_frontier(POINTS, tmp_path / "file" / "frontier.png")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mnist-edge\[train\]'"):
        draw_frontier(POINTS, tmp_path / "frontier.png")
