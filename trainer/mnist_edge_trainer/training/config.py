"""Every hyperparameter of a training run, in one place, with its unit.

A recipe is a TOML file of them: every run writes its own, and the package brings some by name.
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
from mnist_edge_trainer.architectures.registry import DEFAULT_ARCHITECTURE
from mnist_edge_trainer.training.augment import Augmentation

__all__ = [
    "OPTIMIZERS",
    "PRECISIONS",
    "SCHEDULES",
    "TrainConfig",
    "load_recipe",
    "named_recipe",
    "named_recipes",
    "option",
]

OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("one-cycle", "constant")
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True)
class TrainConfig:
    """What decides the weights that a run ends with.

    Attributes:
        arch: name in `mnist_edge_trainer.architectures.registry.ARCHITECTURES`.
        dataset: name of a published dataset; ``own`` for a folder of one's own pictures.
        data: folder that it lies in; empty = wherever a published one does by default.
        start_from: run whose weights to start from; empty = random ones.
        epochs: passes over the training images.
        batch_size: images per step.
        optimizer: ``adamw``, ``adam``, or ``sgd`` with Nesterov's momentum.
        lr: peak learning rate.
        schedule: ``one-cycle``: the peak is reached after `warmup` and annealed to zero along a
            cosine; ``constant``: the peak all the way.
        warmup: fraction of all steps spent rising to the peak.
        momentum: of ``sgd``.
        weight_decay: decoupled in AdamW, added to the gradient in the others.
        precision: of the products while training: ``fp32``; ``bf16``, as torch's autocast has it
            (weights, batch norm's sums and the loss stay fp32); or ``auto``, the latter where the
            device multiplies bf16 faster.
        quantization_aware: every step computes with the weights as int8 will have them.
        ema_decay: of the moving average of the weights, per step; the average is what is
            validated, kept and exported. 0 = the last weights themselves.
        label_smoothing: probability mass spread over the other classes in the loss.
        augment: distort every training image afresh.
        rotation, scale, shear, shift, elastic: how far (see `Augmentation`).
        teacher: model to learn from, a bundled one's name or a file's path; empty = the labels
            alone. See `mnist_edge_trainer.training.distillation`.
        teacher_weight: of its answers in the loss; the rest is the labels'.
        teacher_temperature: that its logits and the student's are divided by to be compared.
        lessons: distorted copies of the training pictures that it answers; epochs take turns.
        photos: simulated photographs shown in every epoch beside the training images; 0 = none.
        val_split: training images held out for early stopping and calibration.
        patience: epochs without a better validation loss before stopping early.
        seed: of initialisation, order and augmentation.
    """

    arch: str = DEFAULT_ARCHITECTURE
    dataset: str = "mnist"
    data: str = ""
    start_from: str = ""
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
    ema_decay: float = 0.999
    label_smoothing: float = 0.0
    augment: bool = True
    rotation: float = Augmentation.rotation
    scale: float = Augmentation.scale
    shear: float = Augmentation.shear
    shift: float = Augmentation.shift
    elastic: float = Augmentation.elastic
    teacher: str = ""
    teacher_weight: float = 0.9
    teacher_temperature: float = 2.0
    lessons: int = 24
    photos: int = 27_500
    val_split: int = 5_000
    patience: int = 25
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (
            *("epochs", "batch_size", "lr", "val_split", "patience"),
            *("teacher_temperature", "lessons"),
        ):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                self._refuse(name, "must be a number greater than zero")
        for name in ("weight_decay", "photos", *_DISTORTIONS):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                self._refuse(name, "must be zero or more")
        for name in ("warmup", "momentum", "ema_decay", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                self._refuse(name, "must be at least zero and less than one")
        for name, known in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
        ):
            if getattr(self, name) not in known:
                self._refuse(name, f"unknown; choose one of {', '.join(known)}")
        if not 0 <= self.teacher_weight <= 1:
            self._refuse("teacher_weight", "must lie between 0 and 1")
        if not 0 <= self.seed < 2**32:
            self._refuse("seed", f"must lie between 0 and {2**32 - 1}")

    def _refuse(self, name: str, why: str) -> None:
        raise UsageError(f"{option(name)} {getattr(self, name)}: {why}")

    @property
    def augmentation(self) -> Augmentation | None:
        """What to do to every training image; None = nothing."""
        if not self.augment:
            return None
        return Augmentation(**{name: getattr(self, name) for name in _DISTORTIONS})

    def differing(self) -> dict[str, Any]:
        """The fields that are not what they are by default; but where the data lies."""
        default = asdict(TrainConfig())
        return {
            name: value
            for name, value in asdict(self).items()
            if value != default[name] and name != "data"
        }

    def described(self) -> dict[str, Any]:
        """The recipe's name, where it is one that the package brings; else what is `differing`."""
        own = {"seed": self.seed, "data": self.data}
        for name in named_recipes():
            if TrainConfig(**named_recipe(name) | own) == self:
                return {"recipe": name}
        return self.differing()

    def save(self, path: Path) -> None:
        """Writes JSON. Raises OutputError where it cannot."""
        _write(path, json.dumps(asdict(self), indent=2) + "\n")

    def save_recipe(self, path: Path, comment: str = "") -> None:
        """Writes TOML that `load_recipe` reads, under a line of comment; errors as `save`."""
        _write(path, (f"# {comment}\n" if comment else "") + tomli_w.dumps(asdict(self)))


def _write(path: Path, text: str) -> None:
    make_folder(path.parent)
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


_DISTORTIONS = ("rotation", "scale", "shear", "shift", "elastic")


def option(name: str) -> str:
    """What the command line calls a field of `TrainConfig`."""
    return "--init-from" if name == "start_from" else "--" + name.replace("_", "-")


def load_recipe(path: Path) -> dict[str, Any]:
    """Reads fields of `TrainConfig` from a TOML file.

    Raises:
        UsageError: there is none, or it holds something that is no field, or no value of one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise UsageError(f"--config {path}: cannot be read ({reason.lower()})") from error
    try:
        return _checked(tomllib.loads(text), path)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"--config {path}: not TOML ({error})") from error


def named_recipe(name: str) -> dict[str, Any]:
    """The same from a recipe that comes with the package.

    Raises:
        UsageError: there is none of that name; the message names the nearest.
    """
    recipes = named_recipes()
    if name not in recipes:
        near = difflib.get_close_matches(name, recipes, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"--recipe {name}: unknown; {hint}there are: {', '.join(recipes)}")
    return tomllib.loads(recipes[name])


def named_recipes() -> dict[str, str]:
    """The recipes that come with the package: text, by name."""
    folder = resources.files("mnist_edge_trainer.training") / "recipes"
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return {
        file.name.removesuffix(".toml"): file.read_text(encoding="utf-8")
        for file in files
        if file.name.endswith(".toml")
    }


def _checked(values: Mapping[str, Any], source: Path) -> dict[str, Any]:
    kinds = {field.name: type(field.default) for field in dataclasses.fields(TrainConfig)}
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(kinds)}"
            raise UsageError(f"--config {source}: {name!r} is no part of a recipe; {hint}")
        kind = kinds[name]
        if type(value) is int and value.bit_length() > 63:
            raise UsageError(f"--config {source}: {name} is too large a number")
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise UsageError(f"--config {source}: {name} = {value!r} must be {_NAMES[kind]}")
        checked[name] = value
    return checked


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
