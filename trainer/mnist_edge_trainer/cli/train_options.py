"""The options of `mnist-edge train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mnist_edge.errors import UsageError
from mnist_edge.options import option
from mnist_edge_trainer.cli.common import (
    ARCH,
    DATA,
    DATASET,
    DEVICE,
    NEGATED,
    RUN_PANEL,
    VAL_SPLIT,
)

__all__ = ["TrainOptions"]

_RECIPE_PANEL, _NUMBERS_PANEL = "Recipe", "With --task numbers"


@dataclass(frozen=True)
class TrainOptions:
    """Options of `mnist-edge train`.

    Raises:
        UsageError: the options contradict one another.
    """

    task: str = option(
        "digits", "digits; or numbers: the networks of `mnist-edge read`.", metavar="NAME"
    )
    arch: str | None = option(None, **ARCH, panel=_RECIPE_PANEL)
    epochs: int | None = option(
        None,
        "Passes over the training images.",
        metavar="N",
        shown_default="60",
        panel=_RECIPE_PANEL,
    )
    batch_size: int | None = option(
        None, "Images per step.", metavar="N", shown_default="128", panel=_RECIPE_PANEL
    )
    optimizer: str | None = option(
        None, "adamw, adam or sgd.", metavar="NAME", shown_default="adamw", panel=_RECIPE_PANEL
    )
    lr: float | None = option(
        None, "Peak learning rate.", metavar="FLOAT", shown_default="0.004", panel=_RECIPE_PANEL
    )
    schedule: str | None = option(
        None,
        "one-cycle or constant.",
        metavar="NAME",
        shown_default="one-cycle",
        panel=_RECIPE_PANEL,
    )
    weight_decay: float | None = option(
        None, "Weight decay.", metavar="FLOAT", shown_default="0.05", panel=_RECIPE_PANEL
    )
    label_smoothing: float | None = option(
        None,
        "Probability spread over the other classes.",
        metavar="FLOAT",
        shown_default="0.0",
        panel=_RECIPE_PANEL,
    )
    class_weights: str | None = option(
        None,
        "none, or balanced: each class weighs the same, however many pictures it has.",
        metavar="NAME",
        shown_default="none",
        panel=_RECIPE_PANEL,
    )
    augment: bool | None = option(
        None,
        "Distort the training images at random.",
        "--augment/--no-augment",
        shown_default="--augment",
        panel=_RECIPE_PANEL,
    )
    photos: int | None = option(
        None,
        "Simulated photographs per epoch, in addition to the images; for digits only.",
        metavar="N",
        shown_default="27500",
        panel=_RECIPE_PANEL,
    )
    patience: int | None = option(
        None,
        "Early stopping: epochs without improvement.",
        metavar="N",
        shown_default="25",
        panel=_RECIPE_PANEL,
    )
    seed: int | None = option(
        None, "Random seed.", metavar="N", shown_default="0", panel=_RECIPE_PANEL
    )
    init_from: Path | None = option(
        None,
        "Start from the weights of this run (fine-tuning).",
        metavar="RUN",
        hidden_flags=("--from",),
        panel=_RECIPE_PANEL,
    )
    teacher: str | None = option(
        None,
        "Distillation: learn from this model's predictions too. An .onnx file, or a bundled "
        "model's name.",
        metavar="MODEL",
        panel=_RECIPE_PANEL,
    )
    recipe: str | None = option(
        None,
        "A built-in recipe, which sets all of the above: nano, small, large, ensemble (how the "
        "released models were trained), fast or classic.",
        metavar="NAME",
        panel=_RECIPE_PANEL,
    )
    fast: bool = option(
        False,
        "Same as --recipe fast: eight epochs, no photographs, less than a minute.",
        "--fast",
        panel=_RECIPE_PANEL,
    )
    config: Path | None = option(
        None,
        "A recipe from a file, such as the recipe.toml of a run.",
        metavar="FILE.toml",
        panel=_RECIPE_PANEL,
    )
    dataset: str | None = option(None, **DATASET)
    data: Path | None = option(None, **DATA)
    val_split: int | None = option(None, **VAL_SPLIT)
    minutes: float | None = option(
        None,
        "To train for, all networks together.",
        metavar="N",
        minimum=0.01,
        shown_default="120",
        panel=_NUMBERS_PANEL,
    )
    network: str | None = option(
        None, "reader or finder alone.", metavar="NAME", shown_default="both", panel=_NUMBERS_PANEL
    )
    writers: Path | None = option(
        None,
        "QMNIST's labels: who wrote which digit.",
        metavar="PATH",
        shown_default="searched for near --data",
        panel=_NUMBERS_PANEL,
    )
    fonts: Path | None = option(
        None,
        "Folder of typefaces, beside matplotlib's.",
        metavar="FOLDER",
        panel=_NUMBERS_PANEL,
    )
    output: Path | None = option(
        None,
        "Run directory.",
        metavar="FOLDER",
        shown_default="runs/ARCH-N",
        hidden_flags=("--out",),
        panel=RUN_PANEL,
    )
    resume: bool = option(
        False,
        "Continue an interrupted run: --output, or the latest.",
        "--resume",
        hidden_flags=(NEGATED.format("resume"),),
        panel=RUN_PANEL,
    )
    device: str = option("auto", **DEVICE)
    threads: int | None = option(
        None,
        "Threads to compute with on the CPU.",
        metavar="N",
        shown_default="OMP_NUM_THREADS, else the fastest of 1, 2, 4, by measurement",
        panel=RUN_PANEL,
    )

    def __post_init__(self) -> None:
        if self.task not in ("digits", "numbers"):
            raise UsageError(f"--task {self.task}: unknown; choose digits or numbers")
        if self.task == "digits":
            for name in ("minutes", "network", "writers", "fonts"):
                if getattr(self, name) is not None:
                    raise UsageError(f"--{name}: needs --task numbers")
        sources = {"--recipe": self.recipe, "--config": self.config, "--fast": self.fast or None}
        chosen = [flag for flag, value in sources.items() if value is not None]
        if len(chosen) > 1:
            raise UsageError(f"{' and '.join(chosen)}: choose one")
