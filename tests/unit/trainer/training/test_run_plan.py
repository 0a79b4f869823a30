"""The recipe of a run: defaults that fit the data, and what is refused."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from mnist_edge import UsageError
from mnist_edge.types import DIGITS, Preprocessing
from mnist_edge_trainer.architectures.registry import build
from mnist_edge_trainer.data.datasets import Dataset
from mnist_edge_trainer.data.facts import DataFacts
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.training.checkpoint import Checkpoint
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.run_plan import chosen_fields, plan_resumed_run, recipe_for


def dataset(size: int, labels: tuple[str, ...] = DIGITS, credit: str = "") -> Dataset:
    """A dataset of black images."""
    digits = Digits(torch.zeros(size, 1, 28, 28, dtype=torch.uint8), torch.zeros(size))
    return Dataset("folder x", labels, digits, "abc", Preprocessing.DIGIT, credit, lambda: digits)


def checkpoint(facts: DataFacts, **fields: object) -> Checkpoint:
    config = dataclasses.replace(TrainConfig(arch="mlp"), **fields)  # type: ignore[arg-type]
    return Checkpoint(config, 1, 2.3, 0.1, facts, build("mlp").state_dict())


@dataclass(frozen=True)
class Options:
    arch: str | None = None
    lr: float | None = None
    augment: bool | None = None
    data: Path | None = None
    output: Path | None = None


def test_published_dataset_keeps_the_defaults() -> None:
    assert recipe_for(dataset(60_000, credit="somebody"), {}, None) == TrainConfig(
        dataset="folder x"
    )


def test_small_image_folder_has_small_batches_and_no_photographs() -> None:
    config = recipe_for(dataset(200), {}, Path("pictures"))
    # A tenth is held out; of the other 180, at least 8 batches.
    assert (config.val_split, config.batch_size, config.photos) == (20, 22, 0)
    assert (config.dataset, config.data) == ("own", str(Path("pictures").absolute()))
    chosen = {"val_split": 50, "batch_size": 7, "photos": 9}
    config = recipe_for(dataset(200), chosen, None)
    assert (config.val_split, config.batch_size, config.photos) == (50, 7, 9)


def test_fine_tuning_is_gentler_and_keeps_the_architecture() -> None:
    start = checkpoint(dataset(200).facts)
    config = recipe_for(dataset(200), {}, None, start)
    assert (config.arch, config.epochs) == ("mlp", 10)
    assert config.lr == TrainConfig.lr / 10
    assert recipe_for(dataset(200), {"epochs": 3}, None, start).epochs == 3


def test_photographs_of_other_classes_are_refused() -> None:
    with pytest.raises(UsageError, match="use --photos 0 with folder x"):
        recipe_for(dataset(200, ("cat", "dog")), {"photos": 5}, None)
    assert recipe_for(dataset(200, ("cat", "dog")), {"photos": 0}, None).photos == 0


def test_folder_whose_name_is_not_text_is_refused() -> None:
    with pytest.raises(UsageError, match="its name is not text"):
        recipe_for(dataset(200), {}, Path("\udcff"))


def test_chosen_fields_are_those_that_are_set_and_part_of_a_recipe() -> None:
    assert chosen_fields(Options()) == {}
    options = Options("lenet", 0.0, False, Path("here"), Path("there"))
    assert chosen_fields(options) == {"arch": "lenet", "lr": 0.0, "augment": False}


def test_resumed_run_keeps_its_options(tmp_path: Path) -> None:
    checkpoint(dataset(200).facts, lr=0.5).save(tmp_path / "last.pt")
    with pytest.raises(UsageError, match=r"^--lr, --seed: a resumed run keeps the options"):
        plan_resumed_run({"arch": "mlp", "lr": 0.1, "seed": 1}, None, tmp_path, lambda _: None)
