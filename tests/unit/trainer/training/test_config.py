"""The recipe, and what the command line says of it."""

from __future__ import annotations

import json
import typing
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
import torch

from mnist_edge import UsageError
from mnist_edge.options import option_of
from mnist_edge_trainer.cli.train import TrainOptions
from mnist_edge_trainer.training.config import TrainConfig, load_recipe, named_recipe, named_recipes


def test_help_states_the_defaults_that_hold() -> None:
    defaults = asdict(TrainConfig())
    for field in fields(TrainOptions):
        if field.name not in defaults or field.name in ("data", "teacher"):
            continue
        stated = "--augment" if field.name == "augment" else str(defaults[field.name])
        assert option_of(field).shown_default == stated, field.name


def test_a_run_is_repeated_from_the_recipe_it_wrote(tmp_path: Path) -> None:
    config = TrainConfig(arch="lenet", lr=1e-3, augment=False, elastic=0.25, seed=7)
    config.save_recipe(tmp_path / "recipe.toml")
    assert TrainConfig(**load_recipe(tmp_path / "recipe.toml")) == config
    config.save(tmp_path / "config.json")
    assert TrainConfig(**json.loads((tmp_path / "config.json").read_text())) == config


def test_a_whole_number_will_do_for_a_number(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("rotation = 12")
    rotation = load_recipe(tmp_path / "recipe.toml")["rotation"]
    assert isinstance(rotation, float)
    assert rotation == 12


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("epoch = 3", r"'epoch' is no part of a recipe; did you mean 'epochs'\?"),
        ("learning = 3", r"'learning' is no part of a recipe; .*batch_size"),
        ("epochs = 'ten'", r"epochs = 'ten' must be a whole number"),
        ("epochs = true", r"epochs = True must be a whole number"),
        ("augment = 1", r"augment = 1 must be true or false"),
        ("epochs = 3.5", r"epochs = 3.5 must be a whole number"),
        ("epochs 3", r"not TOML"),
        ("lr = 1" + "0" * 400, r"lr is too large"),
    ],
)
def test_a_recipe_with_a_mistake_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=complaint) as refused:
        load_recipe(path)
    assert str(path) in str(refused.value)


def test_a_recipe_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_recipe(tmp_path / "recipe.toml")
    with pytest.raises(UsageError, match="--recipe clasic: unknown; did you mean 'classic'"):
        named_recipe("clasic")
    (tmp_path / "recipe.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not text"):
        load_recipe(tmp_path / "recipe.toml")


def test_the_recipes_that_come_with_the_package_hold() -> None:
    released = {"committee", "large", "nano", "small"}
    assert set(named_recipes()) == {"classic", "fast", *released}
    for name in named_recipes():
        config = TrainConfig(**named_recipe(name), seed=7, data="somewhere")
        assert config.described() == {"recipe": name}
        assert replace(config, lr=1e-9).described()["lr"] == 1e-9


@pytest.mark.parametrize(
    "values",
    [
        {"optimizer": "adagrad"},
        {"schedule": "cosine"},
        {"momentum": 1.0},
        {"ema_decay": -0.1},
        {"label_smoothing": float("nan")},
        {"weight_decay": -1.0},
        {"elastic": float("inf")},
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, typing.Any]) -> None:
    (name,) = values
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} "):
        TrainConfig(**values)


def test_the_augmentation_is_the_recipes() -> None:
    assert TrainConfig(augment=False).augmentation is None
    still = TrainConfig(rotation=0, scale=0, shear=0, shift=0, elastic=0).augmentation
    assert still is not None
    images = torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(still(images), images, atol=1e-5, rtol=0)
