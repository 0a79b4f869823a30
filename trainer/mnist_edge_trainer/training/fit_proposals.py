"""Fits the weights by which `mnist_edge.preprocess.scoring` scores proposals.

``python -m mnist_edge_trainer.training.fit_proposals FILE`` makes the ``proposal_weights.json``
beside that module. Thousands of photographs of training digits are simulated; every proposal for
each is cropped and shown to the bundled network. A proposal is a good one where the network is sure
of the true digit. On a blank page none is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from mnist_edge.batch.worker_pool import WorkerPool
from mnist_edge.inputs.decode import decode
from mnist_edge.model import Model
from mnist_edge.outputs.atomic import atomic_write
from mnist_edge.preprocess.background import to_gray
from mnist_edge.preprocess.normalize import crop_digit
from mnist_edge.preprocess.proposals import propose
from mnist_edge.preprocess.scoring import ProposalFeatures
from mnist_edge.types import SIDE, GrayImage
from mnist_edge_trainer.data.splits import default_data_dir, load_digits, split_training
from mnist_edge_trainer.synthetic.render import render, render_blank
from mnist_edge_trainer.synthetic.scenes import CORRUPTIONS, SEVERITIES, random_scene
from mnist_edge_trainer.training.config import TrainConfig

__all__ = ["main"]

_RANDOM_SCENES = 10_000
"""Photographs with everything at random."""

_PER_CORRUPTION = 40
"""Photographs of each corruption at each severity."""

_BLANK_PAGES = 2_000
"""Photographs without a digit."""

_SURE = 0.5
"""Probability of the true digit above which a proposal is a good one."""

_HIDDEN_UNITS = 24
_SEED = 2026


class _Job(NamedTuple):
    """A photograph to simulate: the digit, a seed, and what is wrong with the picture."""

    digit: GrayImage
    seed: int
    corruption: str | None
    severity: int


def main(output: Path) -> None:
    """Simulates photographs, fits the weights, and writes them as JSON."""
    training, _ = split_training(load_digits(default_data_dir(), "train"), TrainConfig.val_split)
    images, labels = training.images[:, 0].numpy(), training.labels.numpy()
    rng = np.random.default_rng(_SEED)
    kinds: list[tuple[str | None, int]] = [(None, 0)] * _RANDOM_SCENES
    kinds += [(name, s) for name in CORRUPTIONS for s in range(len(SEVERITIES))] * _PER_CORRUPTION
    kinds += [("blank", 0)] * _BLANK_PAGES
    chosen = rng.choice(len(images), len(kinds), replace=False)
    jobs = [_Job(images[i], int(i), *kind) for i, kind in zip(chosen, kinds, strict=True)]
    network = Model.load()
    features: list[ProposalFeatures] = []
    is_good: list[bool] = []
    with WorkerPool(_propose) as pool:
        for i, (proposed, crops) in zip(chosen, pool.map(jobs), strict=True):
            if crops:
                features += proposed
                has_ink = np.stack(crops).any(axis=(1, 2))
                is_good += list(has_ink & (network.run(np.stack(crops))[:, labels[i]] > _SURE))
    weights = _fit(np.array(features), np.array(is_good))
    with atomic_write(output) as partial:
        partial.write_text(json.dumps({"weights": weights}) + "\n", encoding="utf-8")


def _propose(job: _Job) -> tuple[list[ProposalFeatures], list[GrayImage]]:
    """Makes every proposal for one simulated photograph: the features of each, and its crop.

    The crop is empty where it leaves no ink, and on a blank page.
    """
    rng = np.random.default_rng([_SEED, job.seed])
    is_blank = job.corruption == "blank"
    if job.corruption is None or is_blank:
        scene = random_scene(rng)
    else:
        scene = CORRUPTIONS[job.corruption](rng, job.severity)
    take = render_blank if is_blank else render
    plane = to_gray(decode(take(job.digit, scene, rng)))
    features, crops = [], []
    for group in propose(plane):
        for proposal in group:
            crop = None if is_blank else crop_digit(plane, proposal)
            features.append(proposal.features)
            crops.append(np.zeros((SIDE, SIDE), np.uint8) if crop is None else crop)
    return features, crops


def _fit(
    features: npt.NDArray[np.float64], is_good: npt.NDArray[np.bool_]
) -> list[list[float] | list[list[float]]]:
    """Fits mean and scale of the features, then weights and biases of both layers."""
    scaler = StandardScaler().fit(features)
    model = MLPClassifier((_HIDDEN_UNITS,), alpha=1e-2, max_iter=150, random_state=_SEED)
    model.fit(scaler.transform(features), is_good)
    (first, second), (first_bias, second_bias) = model.coefs_, model.intercepts_
    parts = (scaler.mean_, scaler.scale_, first, first_bias, second, second_bias)
    return [np.round(part, 4).tolist() for part in parts]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
