"""Scores an evaluation target, and writes ``evaluation-SPLIT.json`` and the pictures of it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge_trainer.evaluation import metrics as scoring
from mnist_edge_trainer.evaluation import plots as figures
from mnist_edge_trainer.evaluation.saliency import occlusion
from mnist_edge_trainer.evaluation.target import EvaluationTarget, load_target
from mnist_edge_trainer.training.checkpoint import RunFolder

__all__ = ["Assessment", "assess", "evaluate_run", "is_evaluated"]

_SALIENCY_MAPS = 20
"""Images for which a saliency map is drawn."""


@dataclass(frozen=True)
class Assessment:
    """The evaluation of a target, ready to be printed, written and drawn.

    Attributes:
        target: what was evaluated.
        probabilities: float32 ``[N, C]``, its predictions.
        scores: of these.
        int8: scores of the quantized file that was exported from it, on the same images.
    """

    target: EvaluationTarget
    probabilities: npt.NDArray[np.float32]
    scores: scoring.Evaluation
    int8: scoring.Evaluation | None

    def values(self) -> dict[str, Any]:
        """What ``--json`` prints and ``evaluation-SPLIT.json`` holds; fractions, no percent.

        The int8 file is named without its folder, which is the run's.
        """
        int8 = None
        if self.int8 and self.target.int8:
            values = self.int8.values()
            kept = ("accuracy", "accuracy_interval", "loss", "ece", "macro", "confusion")
            int8 = {
                "file": Path(self.target.int8.name).name,
                "bytes": len(self.target.int8.content),
            } | {name: values[name] for name in kept}
        return {
            "model": self.target.name,
            "split": self.target.split,
            "dataset": self.target.dataset,
            "images": len(self.target.digits),
            **self.scores.values(),
            "int8": int8,
        }

    def write(self, folder: Path, *, svg: bool = False) -> list[Path]:
        """Writes the JSON and every picture, named after the split, and returns their paths.

        Args:
            folder: is made where it is missing.
            svg: write each picture as SVG as well as PNG.

        Raises:
            OutputError: one cannot be written.
        """
        make_folder(folder)
        path = folder / f"evaluation-{self.target.split}.json"
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(self.values(), indent=2) + "\n", encoding="utf-8")
        paths = [path]
        for name, draw in self._pictures().items():
            for suffix in ("png", "svg") if svg else ("png",):
                picture = folder / f"{name}.{suffix}"
                draw(picture)
                paths.append(picture)
        return paths

    def _pictures(self) -> dict[str, Callable[[Path], None]]:
        """A function for each picture, by the picture's name, that draws it to a path."""
        names, split, filters = self.target.labels, self.target.split, self.target.filters
        images = self.target.digits.images[:, 0].numpy()
        truth = self.target.digits.labels.numpy()
        some = figures.first_of_each(truth, _SALIENCY_MAPS)
        maps = occlusion(self.target.predict, images[some], truth[some], stride=1)
        answers = (images, truth, self.probabilities, names)
        pictures: dict[str, Callable[[Path], None]] = {
            f"confusion-{split}": lambda path: figures.draw_confusion_matrix(
                self.scores.confusion, names, path
            ),
            f"mistakes-{split}": lambda path: figures.draw_mistakes(*answers, path),
            f"predictions-{split}": lambda path: figures.draw_predictions(*answers, path),
            f"reliability-{split}": lambda path: figures.draw_reliability(
                self.probabilities, truth, path
            ),
            f"attention-{split}": lambda path: figures.draw_saliency(
                images[some], maps, truth[some], names, path
            ),
        }
        if filters is not None:
            pictures["filters"] = lambda path: figures.draw_filters(filters, path)
        return pictures


def assess(target: EvaluationTarget) -> Assessment:
    """Runs the network, and its int8 file where there is one, on the target's images."""
    images = target.digits.images[:, 0].numpy()
    score = functools.partial(scoring.evaluate, digits=target.digits, labels=target.labels)
    probabilities = target.predict(images)
    int8 = score(target.int8.run(images)) if target.int8 else None
    return Assessment(target, probabilities, score(probabilities), int8)


def is_evaluated(run: RunFolder, split: str) -> bool:
    """Whether a run was evaluated since its best checkpoint and int8 file were written."""
    evaluation = run.path / f"evaluation-{split}.json"
    models = [run.best, *run.path.glob("*-int8.onnx")]
    return evaluation.exists() and all(
        model.stat().st_mtime <= evaluation.stat().st_mtime for model in models
    )


def evaluate_run(
    run: RunFolder, split: str, data: Path | None, log: Callable[[str], None]
) -> Assessment:
    """Evaluates a run on a split, and writes the evaluation and its pictures into its folder.

    Args:
        run: must have a best checkpoint.
        split: ``test`` or ``validation``.
        data: the dataset's folder; None = its default place.
        log: as in `load_target`.

    Raises:
        MnistEdgeError: as `load_target` and `Assessment.write`.
    """
    assessment = assess(load_target(str(run.path), split, data, log))
    assessment.write(run.path)
    return assessment
