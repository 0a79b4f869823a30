"""The recipe: its files, its ranges, its names in earlier releases, its defaults in the help."""

from __future__ import annotations

import json
import os
import tomllib
import typing
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
import tomli_w
import torch

from mnist_edge import UsageError
from mnist_edge.errors import one_line
from mnist_edge_trainer.aliases import current_fields
from mnist_edge_trainer.cli.train import TrainOptions
from mnist_edge_trainer.training.config import (
    TrainConfig,
    flag,
    load_recipe,
    named_recipe,
    named_recipes,
)
from tests.hostile import WRONG, places, with_value
from tests.unit.trainer.conftest import RUN_0_7

_WITHOUT_DEFAULT = ("init_from", "data", "teacher", "threads")


def test_help_shows_the_defaults_of_the_config() -> None:
    defaults = asdict(TrainConfig())
    for field in fields(TrainOptions):
        if field.name not in defaults or field.name in _WITHOUT_DEFAULT:
            continue
        stated = "--augment" if field.name == "augment" else str(defaults[field.name])
        assert field.metadata["option"].shown_default == stated, field.name


def test_config_is_read_back_from_the_files_it_wrote(tmp_path: Path) -> None:
    config = TrainConfig(arch="lenet", lr=1e-3, augment=False, elastic=0.25, seed=7)
    config.save_recipe(tmp_path / "recipe.toml")
    assert TrainConfig(**load_recipe(tmp_path / "recipe.toml")) == config
    config.save(tmp_path / "config.json")
    assert TrainConfig(**json.loads((tmp_path / "config.json").read_text())) == config


def test_files_of_release_0_7_are_read_under_todays_names(tmp_path: Path) -> None:
    for values in (
        load_recipe(RUN_0_7 / "recipe.toml"),
        current_fields(json.loads((RUN_0_7 / "config.json").read_text())),
    ):
        config = TrainConfig(**values)
        assert config.distill_views == 3
        assert config.teacher == "mnist-edge-ensemble-int8"
        assert TrainConfig.from_dict(values) == config

    (tmp_path / "recipe.toml").write_text("arch = 'committee'\nstart_from = 'runs/committee-1'")
    assert load_recipe(tmp_path / "recipe.toml") == {
        "arch": "ensemble",
        "init_from": "runs/committee-1",
    }


def test_recipes_of_release_0_7_have_todays_names() -> None:
    assert named_recipe("committee") == named_recipe("ensemble")
    # As 0.7.0's `nano` wrote it into its run and into the released file.
    values = tomllib.loads(named_recipes()["nano"]) | {"teacher": "mnist-edge-committee-int8"}
    assert TrainConfig.from_dict(values | {"lessons": 24}).summary() == {"recipe": "nano"}


def test_whole_number_is_read_as_a_float(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("rotation = 12")
    rotation = load_recipe(tmp_path / "recipe.toml")["rotation"]
    assert isinstance(rotation, float)
    assert rotation == 12


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("epoch = 3", r"'epoch' is not part of a recipe; did you mean 'epochs'\?"),
        ("learning = 3", r"'learning' is not part of a recipe; .*batch_size"),
        ("epochs = 'ten'", r"epochs = 'ten' must be a whole number"),
        ("epochs = true", r"epochs = True must be a whole number"),
        ("augment = 1", r"augment = 1 must be true or false"),
        ("epochs = 3.5", r"epochs = 3.5 must be a whole number"),
        ("epochs 3", r"not TOML"),
        ("lr = 1" + "0" * 400, r"lr is too large"),
        ("lessons = 'many'", r"distill_views = 'many' must be a whole number"),
    ],
)
def test_recipe_with_a_mistake_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=complaint) as refused:
        load_recipe(path)
    assert str(path) in str(refused.value)


def test_missing_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_recipe(tmp_path / "recipe.toml")
    with pytest.raises(UsageError, match="--recipe clasic: unknown; did you mean 'classic'"):
        named_recipe("clasic")
    (tmp_path / "recipe.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not text"):
        load_recipe(tmp_path / "recipe.toml")


@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:20])
def test_any_value_in_any_field_is_accepted_or_refused_in_one_line(
    tmp_path: Path, value: object
) -> None:
    path = tmp_path / "recipe.toml"
    recipe = asdict(TrainConfig())
    for (field,) in places(recipe, most=100):
        if value is None:
            continue  # TOML has none
        path.write_text(tomli_w.dumps(with_value(recipe, (field,), value)))
        try:
            TrainConfig(**load_recipe(path))
        except UsageError as error:
            text = one_line(str(error))
            assert str(path) in text or flag(field) in text
            assert len(text) < len(str(path)) + 500


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("pipe", "cannot be read.*not a file"),
        ("device", "cannot be read.*not a file"),
        ("folder", "cannot be read.*not a file"),
        ("nested", "nested too deep"),
        ("large", "too large"),
        ("binary", "not text"),
        ("number", "TOML|limit|too large"),
    ],
)
def test_recipe_that_is_something_else_is_refused(tmp_path: Path, kind: str, reason: str) -> None:
    path = tmp_path / "recipe.toml"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "nested":
            path.write_text("lr = " + "[" * 50_000)
        case "large":
            path.write_text("#" * 2_000_000)
        case "binary":
            path.write_bytes(bytes(range(256)))
        case "number":
            path.write_text("lr = 1" + "0" * 10_000)
    with pytest.raises(UsageError, match=reason) as refused:
        load_recipe(path)
    assert str(path) in str(refused.value)


def test_summary_of_a_package_recipe_is_its_name() -> None:
    assert list(named_recipes()) == [
        "classic",
        "ensemble",
        "fast",
        "large",
        "nano",
        "pico",
        "small",
    ]
    for name in named_recipes():
        config = TrainConfig(**named_recipe(name), seed=7, data="somewhere")
        assert config.summary() == {"recipe": name}
        assert replace(config, lr=1e-9).summary()["lr"] == 1e-9


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
        *({"lr": lr} for lr in (0.0, -1.0, float("nan"), float("inf"))),
        *({"seed": seed} for seed in (-1, 2**32)),
        {"teacher_weight": 1.1},
        {"distill_views": 0},
        {"class_weights": "equal"},
        {"photos": 10**7},
        {"teacher_temperature": 1e308},
        {"init_from": "runs/\0"},
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, typing.Any]) -> None:
    (name,) = values
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} "):
        TrainConfig(**values)


def test_flag_is_the_fields_name_with_hyphens() -> None:
    assert flag("batch_size") == "--batch-size"
    assert flag("init_from") == "--init-from"


def test_augmentation_has_the_distortions_of_the_recipe() -> None:
    assert TrainConfig(augment=False).augmentation is None
    still = TrainConfig(rotation=0, scale=0, shear=0, shift=0, elastic=0).augmentation
    assert still is not None
    images = torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(still(images), images, atol=1e-5, rtol=0)
