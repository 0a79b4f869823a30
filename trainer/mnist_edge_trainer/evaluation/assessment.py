"""Scores an evaluation target, and writes ``evaluation-SPLIT.json`` and the pictures of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mnist_edge.outputs.atomic import atomic_write, make_folder, refuse_if_input
from mnist_edge_trainer.evaluation import image_grids, metrics, plots
from mnist_edge_trainer.evaluation.metrics import Probabilities
from mnist_edge_trainer.evaluation.records import Evaluation, Int8Evaluation
from mnist_edge_trainer.evaluation.saliency import occlusion
from mnist_edge_trainer.evaluation.target import EvaluationTarget, load_target
from mnist_edge_trainer.training.checkpoint import RunFolder

__all__ = [
    "SALIENCY_MAPS",
    "Assessment",
    "assess",
    "evaluate_run",
    "is_evaluated",
    "refuse_overwriting",
]

SALIENCY_MAPS = 20
"""Images for which a saliency map is drawn."""

_SPLIT_PICTURES = ("confusion", "mistakes", "predictions", "reliability", "saliency")
"""Names of the pictures of each split, before the split's."""

_FILTERS = "filters"

_Draw = Callable[[Path], None]


@dataclass(frozen=True)
class Assessment:
    """The evaluation of a target, ready to be printed, written and drawn.

    Attributes:
        target: what was evaluated.
        probabilities: float32 ``[N, C]``, its predictions.
        evaluation: their scores, and those of its int8 file where there is one.
    """

    target: EvaluationTarget
    probabilities: Probabilities
    evaluation: Evaluation

    def write(self, folder: Path, *, svg: bool = False) -> list[Path]:
        """Writes ``evaluation-SPLIT.json`` and every picture.

        Args:
            folder: is made where it is missing.
            svg: write each picture as SVG as well as PNG.

        Returns:
            The paths that were written.

        Raises:
            OutputError: a file cannot be written.
        """
        make_folder(folder)
        path = folder / f"evaluation-{self.target.split}.json"
        with atomic_write(path) as partial:
            text = json.dumps(self.evaluation.to_dict(), indent=2)
            partial.write_text(text + "\n", encoding="utf-8")
        paths = [path]
        for name, draw in self._pictures().items():
            for suffix in ("png", "svg") if svg else ("png",):
                picture = folder / f"{name}.{suffix}"
                draw(picture)
                paths.append(picture)
        return paths

    def _pictures(self) -> dict[str, _Draw]:
        """Returns a function for each picture, by the picture's name, that draws it to a path."""
        target, probabilities = self.target, self.probabilities
        split, labels, filters = target.split, target.labels, target.filters
        images, truth = target.digits.images[:, 0].numpy(), target.digits.labels.numpy()
        chosen = image_grids.first_of_each_class(truth, SALIENCY_MAPS)
        maps = occlusion(target.predict, images[chosen], truth[chosen], stride=1)
        pictures: dict[str, _Draw] = {
            f"confusion-{split}": lambda path: plots.draw_confusion_matrix(
                self.evaluation.confusion, labels, path
            ),
            f"mistakes-{split}": lambda path: image_grids.draw_mistakes(
                images, truth, probabilities, labels, path
            ),
            f"predictions-{split}": lambda path: image_grids.draw_predictions(
                images, truth, probabilities, labels, path
            ),
            f"reliability-{split}": lambda path: plots.draw_reliability(probabilities, truth, path),
            f"saliency-{split}": lambda path: image_grids.draw_saliency(
                images[chosen], maps, truth[chosen], labels, path
            ),
        }
        if filters is not None:
            pictures[_FILTERS] = lambda path: image_grids.draw_filters(filters, path)
        return pictures


def assess(target: EvaluationTarget) -> Assessment:
    """Runs the network, and its int8 file where there is one, on the target's images."""
    images, truth = target.digits.images[:, 0].numpy(), target.digits.labels.numpy()
    probabilities = target.predict(images)
    scores = metrics.evaluate(probabilities, truth, target.labels)
    int8 = None
    if target.int8 is not None:
        int8_scores = metrics.evaluate(target.int8.run(images), truth, target.labels)
        int8 = Int8Evaluation(
            accuracy=int8_scores.accuracy,
            accuracy_interval=int8_scores.accuracy_interval,
            loss=int8_scores.loss,
            ece=int8_scores.ece,
            macro=int8_scores.macro,
            confusion=int8_scores.confusion,
            file=Path(target.int8.name).name,
            bytes=len(target.int8.content),
        )
    evaluation = Evaluation(
        **vars(scores),
        model=target.name,
        split=target.split,
        dataset=target.dataset,
        images=len(target.digits),
        int8=int8,
    )
    return Assessment(target, probabilities, evaluation)


def refuse_overwriting(target: EvaluationTarget, folder: Path) -> None:
    """Raises UsageError where `Assessment.write` would overwrite what it is made of."""
    names = [f"{name}-{target.split}" for name in _SPLIT_PICTURES] + [_FILTERS]
    paths = [folder / f"{name}.{suffix}" for name in names for suffix in ("png", "svg")]
    for path in (folder / f"evaluation-{target.split}.json", *paths):
        refuse_if_input(path, target.files(), "--output")


def is_evaluated(run: RunFolder, split: str) -> bool:
    """Returns whether a run was evaluated since its best checkpoint and int8 file were written."""
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
    target = load_target(str(run.path), split, data, log)
    refuse_overwriting(target, run.path)
    assessment = assess(target)
    assessment.write(run.path)
    return assessment
