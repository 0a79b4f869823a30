"""Fits the small model that chooses between the readings of a picture.

``python -m mnist_edge_trainer.training.fit_proposals FILE`` makes the ``proposal_weights.json``
that `mnist_edge.preprocess.proposals` reads. Thousands of photographs of training digits are
simulated; every reading of each is cropped and shown to the bundled network. A reading is a good
one where the network is sure of the true digit. On a blank page none is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from mnist_edge.batch.worker_pool import WorkerPool
from mnist_edge.inputs.decode import decode
from mnist_edge.model import Model
from mnist_edge.outputs.atomic import atomic_write
from mnist_edge.preprocess.background import to_gray
from mnist_edge.preprocess.normalize import crop_digit, overview
from mnist_edge.preprocess.proposals import propose
from mnist_edge_trainer.data.splits import default_data_dir, load_digits, split_training
from mnist_edge_trainer.synthetic.render import render, render_blank
from mnist_edge_trainer.synthetic.scenes import CORRUPTIONS, SEVERITIES, random_scene
from mnist_edge_trainer.training.config import TrainConfig

__all__ = ["main"]

_MIXED, _PER_AXIS, _BLANK = 10_000, 40, 2_000
_HIDDEN = 24
_SEED = 2026

Job = tuple[npt.NDArray[np.uint8], str | None, int, int]
Readings = tuple[list[list[float]], list[npt.NDArray[np.uint8]]]


def main(output: Path) -> None:
    """Simulates, fits, and writes the model as JSON."""
    training, _ = split_training(load_digits(default_data_dir(), "train"), TrainConfig.val_split)
    images, labels = training.images[:, 0].numpy(), training.labels.numpy()
    rng = np.random.default_rng(_SEED)
    kinds: list[tuple[str | None, int]] = [(None, 0)] * _MIXED
    kinds += [(axis, s) for axis in CORRUPTIONS for s in range(len(SEVERITIES))] * _PER_AXIS
    kinds += [("blank", 0)] * _BLANK
    chosen = rng.choice(len(images), len(kinds), replace=False)
    jobs = [(images[i], *kind, int(i)) for i, kind in zip(chosen, kinds, strict=True)]
    network = Model.load()
    features: list[list[float]] = []
    is_good: list[bool] = []
    with WorkerPool(_read) as pool:
        for i, (facts, pictures) in zip(chosen, pool.map(jobs), strict=True):
            if pictures:
                features += facts
                found = np.stack(pictures).any(axis=(1, 2))
                is_good += list(found & (network.run(np.stack(pictures))[:, labels[i]] > 0.5))
    weights = _fit(np.array(features), np.array(is_good))
    with atomic_write(output) as partial:
        partial.write_text(json.dumps({"weights": weights}) + "\n", encoding="utf-8")


def _read(job: Job) -> Readings:
    """Features of every reading of one simulated photograph, and what each would make of it."""
    digit, axis, severity, seed = job
    rng = np.random.default_rng([_SEED, seed])
    is_blank = axis == "blank"
    scene = random_scene(rng) if axis is None or is_blank else CORRUPTIONS[axis](rng, severity)
    take = render_blank if is_blank else render
    sheet = to_gray(decode(take(digit, scene, rng)))
    small, scale = overview(sheet)
    features, pictures = [], []
    for group in propose(small, scale):
        for proposal in group:
            picture = None if is_blank else crop_digit(sheet, proposal)
            features.append(proposal.features)
            pictures.append(np.zeros((28, 28), np.uint8) if picture is None else picture)
    return features, pictures


def _fit(
    features: npt.NDArray[np.float64], is_good: npt.NDArray[np.bool_]
) -> list[list[float] | list[list[float]]]:
    """Mean and scale of the features, then weights and biases of both layers."""
    scaler = StandardScaler().fit(features)
    model = MLPClassifier((_HIDDEN,), alpha=1e-2, max_iter=150, random_state=_SEED)
    model.fit(scaler.transform(features), is_good)
    (first, second), (first_bias, second_bias) = model.coefs_, model.intercepts_
    parts = (scaler.mean_, scaler.scale_, first, first_bias, second, second_bias)
    return [np.round(part, 4).tolist() for part in parts]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
