"""Every hyperparameter of a training run, in one place, with its unit.

A recipe is a TOML file of hyperparameters: every run writes its own, and the package contains some
by name. Fields and names of earlier releases are still read (see `mnist_edge_trainer.aliases`).
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w

from mnist_edge.errors import UsageError
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge_trainer.aliases import current_fields, current_name
from mnist_edge_trainer.architectures.registry import DEFAULT_ARCHITECTURE
from mnist_edge_trainer.files import read_text
from mnist_edge_trainer.training.augment import Augmentation
from mnist_edge_trainer.training.qat import LEVELS

__all__ = [
    "CLASS_WEIGHTS",
    "MOST_THREADS",
    "OPTIMIZERS",
    "PRECISIONS",
    "SCHEDULES",
    "TrainConfig",
    "flag",
    "load_recipe",
    "named_recipe",
    "named_recipes",
]

OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("one-cycle", "constant")
PRECISIONS = ("auto", "fp32", "bf16")
CLASS_WEIGHTS = ("none", "balanced")

_DISTORTIONS = ("rotation", "scale", "shear", "shift", "elastic")
_POSITIVE = (
    "epochs",
    "batch_size",
    "lr",
    "val_split",
    "patience",
    "teacher_temperature",
    "distill_views",
)
_NOT_NEGATIVE = ("weight_decay", "photos", *_DISTORTIONS)
_FRACTIONS = ("warmup", "momentum", "ema_decay", "label_smoothing")
_TEXTS = ("arch", "dataset", "data", "init_from", "teacher", "splits")
_CHOICES = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
    "class_weights": CLASS_WEIGHTS,
}
_OF_THE_MACHINE = ("data", "threads")
_MOST = 1_000_000
"""Of any number but the seed: beyond it, sums overflow or memory ends."""

MOST_THREADS = 1_024
"""More are a typing error, and torch may fail to start them."""

_LONGEST_TEXT = 4_096
"""Characters of a path on Linux."""

_LARGEST_RECIPE = 2**20
"""Bytes."""

_LONGEST_SHOWN = 60
"""Characters of a wrong value in a message."""

_TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True)
class TrainConfig:
    """The recipe: everything that decides the weights of a run.

    Attributes:
        arch: name in `mnist_edge_trainer.architectures.registry.ARCHITECTURES`.
        dataset: name of a published dataset; ``own`` for a folder of the user's pictures.
        data: folder of the dataset; empty = the default one of a published dataset.
        init_from: folder of the run whose weights are the initial ones; empty = random weights.
        epochs: passes over the training images.
        batch_size: images per step.
        optimizer: ``adamw``, ``adam``, or ``sgd`` with Nesterov's momentum.
        lr: peak learning rate.
        schedule: ``one-cycle``: rises to the peak during `warmup`, then falls to zero along a
            cosine; ``constant``: the peak in every step.
        warmup: fraction of all steps in which the learning rate rises to the peak.
        momentum: of ``sgd``.
        weight_decay: decoupled in AdamW, added to the gradient in the others.
        precision: of the products while training: ``fp32``; ``bf16``, by torch's autocast (weights,
            batch norm's sums and the loss stay fp32); or ``auto``: bf16 where the device multiplies
            it faster.
        quantization_aware: compute every step with weights rounded as in the int8 file.
        weight_bits: bits of a weight in the int8 file: 8, or 4 (15 values), which needs
            `quantization_aware`. Files have the same size; exported as C, four bits take half.
        ema_decay: of the exponential moving average of the weights, per step. The average is
            validated, kept and exported. 0 = the last weights themselves.
        label_smoothing: probability spread over all classes in the loss, 0..1.
        class_weights: of the images in the loss, by their class: ``balanced``: in inverse
            proportion to the class's training images, so that each class weighs the same (1 on
            average, and a non-digit 1); ``none``: all weigh the same. Validation is not weighted.
        augment: distort every training image anew in each epoch.
        rotation, scale, shear, shift, elastic: largest distortions (see `Augmentation`).
        teacher: model to distil: a released teacher's or a bundled model's name, or an ``.onnx``
            file; empty = labels alone. See `mnist_edge_trainer.training.distillation`.
        teacher_weight: weight of the teacher's soft labels in the loss, 0..1; the labels have the
            rest.
        teacher_temperature: both networks' logits are divided by it before they are compared.
        distill_views: distorted copies of the training images that the teacher labels; the epochs
            use one after the other.
        photos: simulated photographs in every epoch beside the training images; 0 = none.
        val_split: training images held out for early stopping and temperature scaling.
        splits: folders that the user split the pictures of `data` into, as ``train, val, test``;
            empty = the splits were made here.
        patience: epochs without a lower validation loss before the training stops early.
        seed: of initialisation, order and augmentation.
        threads: that torch computes with on the CPU. They decide in which order floating point
            adds, and nothing else. 0 = as torch is set; the program measures which is fastest, see
            `mnist_edge_trainer.training.threads`.
    """

    arch: str = DEFAULT_ARCHITECTURE
    dataset: str = "mnist"
    data: str = ""
    init_from: str = ""
    epochs: int = 60
    batch_size: int = 128
    optimizer: str = "adamw"
    lr: float = 4e-3
    schedule: str = "one-cycle"
    warmup: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.05
    precision: str = "auto"
    quantization_aware: bool = False
    weight_bits: int = 8
    ema_decay: float = 0.999
    label_smoothing: float = 0.0
    class_weights: str = "none"
    augment: bool = True
    rotation: float = Augmentation.rotation
    scale: float = Augmentation.scale
    shear: float = Augmentation.shear
    shift: float = Augmentation.shift
    elastic: float = Augmentation.elastic
    teacher: str = ""
    teacher_weight: float = 0.9
    teacher_temperature: float = 2.0
    distill_views: int = 24
    photos: int = 27_500
    val_split: int = 5_000
    splits: str = ""
    patience: int = 25
    seed: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        self._check_numbers()
        for name in _TEXTS:
            text = getattr(self, name)
            if "\0" in text or len(text) > _LONGEST_TEXT:
                self._refuse(name, f"must be a text of at most {_LONGEST_TEXT:,} letters")
        if self.weight_bits not in LEVELS:
            self._refuse("weight_bits", f"must be one of {', '.join(map(str, sorted(LEVELS)))}")
        if self.weight_bits < 8 and not self.quantization_aware:
            self._refuse("weight_bits", "needs quantization_aware = true in the recipe")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                self._refuse(name, f"unknown; choose one of {', '.join(known)}")

    def _check_numbers(self) -> None:
        for name in (*_POSITIVE, *_NOT_NEGATIVE):
            value = getattr(self, name)
            if name in _POSITIVE and not (math.isfinite(value) and value > 0):
                self._refuse(name, "must be a number greater than zero")
            if not (math.isfinite(value) and value >= 0):
                self._refuse(name, "must be zero or more")
            if value > _MOST:
                self._refuse(name, f"must not be more than {_MOST:,}")
        for name in _FRACTIONS:
            if not 0 <= getattr(self, name) < 1:
                self._refuse(name, "must be at least zero and less than one")
        if not 0 <= self.teacher_weight <= 1:
            self._refuse("teacher_weight", "must lie between 0 and 1")
        if not 0 <= self.seed < 2**32:
            self._refuse("seed", f"must lie between 0 and {2**32 - 1}")
        if not 0 <= self.threads <= MOST_THREADS:
            self._refuse("threads", f"must lie between 0 (measure) and {MOST_THREADS:,}")

    def _refuse(self, name: str, why: str) -> None:
        raise UsageError(f"{flag(name)} {_shown(getattr(self, name))}: {why}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """The config that this or an earlier release wrote into a file.

        Raises:
            ValueError: there is no such field, or a value is not of its type.
            UsageError: a value is out of its range.
        """
        return cls(**_checked(current_fields(values)))

    @property
    def augmentation(self) -> Augmentation | None:
        """The distortion of every training image; None = none."""
        if not self.augment:
            return None
        return Augmentation(**{name: getattr(self, name) for name in _DISTORTIONS})

    def non_defaults(self) -> dict[str, Any]:
        """The fields that differ from their defaults, except those of the machine alone."""
        default = asdict(TrainConfig())
        return {
            name: value
            for name, value in asdict(self).items()
            if value != default[name] and name not in _OF_THE_MACHINE
        }

    def summary(self) -> dict[str, Any]:
        """The name of the package's recipe, if it is one of them; else `non_defaults`."""
        varying = {name: getattr(self, name) for name in ("seed", *_OF_THE_MACHINE)}
        for name in named_recipes():
            if TrainConfig(**named_recipe(name) | varying) == self:
                return {"recipe": name}
        return self.non_defaults()

    def save(self, path: Path) -> None:
        """Writes JSON.

        Raises:
            OutputError: the file cannot be written.
        """
        _write(path, json.dumps(asdict(self), indent=2) + "\n")

    def save_recipe(self, path: Path, comment: str = "") -> None:
        """Writes TOML for `load_recipe`, with a comment in the first line.

        Raises:
            OutputError: the file cannot be written.
        """
        _write(path, (f"# {comment}\n" if comment else "") + tomli_w.dumps(asdict(self)))


def _write(path: Path, text: str) -> None:
    make_folder(path.parent)
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def flag(name: str) -> str:
    """The command-line flag of a field of `TrainConfig`."""
    return "--" + name.replace("_", "-")


def load_recipe(path: Path) -> dict[str, Any]:
    """Reads fields of `TrainConfig` from a TOML file.

    Returns:
        the fields that the file sets, under today's names.

    Raises:
        UsageError: the file cannot be read, or something in it is not a field or not a value of it.
    """
    try:
        return _checked(current_fields(tomllib.loads(read_text(path, _LARGEST_RECIPE))))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"--config {path}: not TOML ({error})") from error
    except RecursionError as error:
        raise UsageError(f"--config {path}: not a recipe (nested too deep)") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"--config {path}: {_reason(error)}") from error


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return f"cannot be read ({(error.strerror or str(error)).lower()})"
    return str(error)


def named_recipe(name: str) -> dict[str, Any]:
    """Reads fields of `TrainConfig` from a recipe of the package.

    Args:
        name: one of `named_recipes`, or its name in an earlier release.

    Raises:
        UsageError: there is no recipe of that name; the message names the nearest.
    """
    recipes = named_recipes()
    text = recipes.get(current_name(name))
    if text is None:
        near = difflib.get_close_matches(name, recipes, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"--recipe {name}: unknown; {hint}choose one of {', '.join(recipes)}")
    return tomllib.loads(text)


def named_recipes() -> dict[str, str]:
    """The recipes of the package: TOML text by name, in alphabetical order."""
    folder = resources.files("mnist_edge_trainer.training") / "recipes"
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return {
        file.name.removesuffix(".toml"): file.read_text(encoding="utf-8")
        for file in files
        if file.name.endswith(".toml")
    }


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, whole numbers made floats where a field is one.

    Raises:
        ValueError: one is not a field of a recipe, or not of its type.
    """
    types = {field.name: type(field.default) for field in dataclasses.fields(TrainConfig)}
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name not in types:
            near = difflib.get_close_matches(name, types, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(types)}"
            raise ValueError(f"{_shown(name)!r} is not part of a recipe; {hint}")
        expected = types[name]
        if type(value) is int and value.bit_length() > 63:
            raise ValueError(f"{name} is too large a number")
        if expected is float and type(value) is int:
            value = float(value)
        if type(value) is not expected:
            raise ValueError(f"{name} = {_shown(repr(value))} must be {_TYPE_NAMES[expected]}")
        checked[name] = value
    return checked


def _shown(value: object) -> str:
    """The beginning of a value."""
    text = str(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
