"""The command line of the workstation: what needs the training packages.

Nothing of the trainer is imported before a command needs it; each is a module of
`mnist_edge_trainer.cli`.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from mnist_edge.cli.console import interruptible_imports
from mnist_edge.errors import MissingExtraError, UsageError

__all__ = ["commands"]

commands = typer.Typer()

_PACKAGES = (
    *("torch", "torchvision", "onnx", "onnxscript"),
    *("jinja2", "matplotlib", "sklearn", "scipy", "platformdirs", "tomli_w"),
)

_RECIPE, _DATA, _RUN = "What decides the weights", "Data", "The run"

_Dataset = Annotated[
    str | None,
    typer.Option(
        help="mnist, fashion-mnist, kmnist or emnist-digits.",
        show_default="mnist",
        rich_help_panel=_DATA,
    ),
]
_Data = Annotated[
    Path | None,
    typer.Option(
        help="Where the dataset lies, or is downloaded to; or a folder of your own pictures, with "
        "one folder per class in it.",
        show_default="samples here, else your cache",
        rich_help_panel=_DATA,
    ),
]
_ValSplit = Annotated[
    int | None,
    typer.Option(
        help="Training images held out for validation.",
        show_default="5000",
        rich_help_panel=_DATA,
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel=_RUN)]


@commands.command(
    epilog="""
**Examples**

`mnist-edge data`

`mnist-edge data --dataset fashion-mnist --out sheet.png`

`mnist-edge data --data my-pictures`
"""
)
def data(
    dataset: _Dataset = None,
    data: _Data = None,
    val_split: _ValSplit = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw examples of each class.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Say what is in a dataset: images of each class and split, and their pixels."""
    _command("data").data(
        dataset=dataset or "mnist", data=data, val_split=val_split, out=out, as_json=as_json
    )


@commands.command()
def models(as_json: _Json = False) -> None:
    """List the architectures: parameters, count_macs, size, accuracy, latency.

    Accuracies are of MNIST's test images, mean and standard deviation over the seeds; latency
    is that of one picture in int8, relative to the default's.
    """
    _command("archs").models(as_json=as_json)


@commands.command(
    epilog="""
**Examples**

`mnist-edge train`

`mnist-edge train --epochs 1 --photos 0 --out runs/quick`

`mnist-edge train --arch small --fast`

`mnist-edge train --arch lenet --recipe classic`

`mnist-edge train --resume --out runs/quick`

`mnist-edge train --config runs/quick/recipe.toml --seed 1`

`mnist-edge train --dataset fashion-mnist --arch resnet --epochs 20`

`mnist-edge train --init-from runs/quick --data my-pictures`
"""
)
def train(
    arch: Annotated[
        str | None,
        typer.Option(
            help="Which network; `mnist-edge models` lists them.",
            show_default="small",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Passes over the training images.", show_default="60", rich_help_panel=_RECIPE
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Images per step.", show_default="128", rich_help_panel=_RECIPE),
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(help="adamw, adam or sgd.", show_default="adamw", rich_help_panel=_RECIPE),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(help="Peak learning rate.", show_default="0.004", rich_help_panel=_RECIPE),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="one-cycle or constant.", show_default="one-cycle", rich_help_panel=_RECIPE
        ),
    ] = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(
            help="How strongly weights are drawn to zero.",
            show_default="0.05",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    label_smoothing: Annotated[
        float | None,
        typer.Option(
            help="Probability spread over the other classes.",
            show_default="0.0",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    augment: Annotated[
        bool | None,
        typer.Option(
            "--augment/--no-augment",
            help="Distort images.",
            show_default="--augment",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    photos: Annotated[
        int | None,
        typer.Option(
            help="Simulated photographs beside the images of each epoch; digits only.",
            show_default="27500",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            help="Epochs without improvement before it stops.",
            show_default="25",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Of everything random.", show_default="0", rich_help_panel=_RECIPE),
    ] = None,
    init_from: Annotated[
        Path | None,
        typer.Option(
            "--init-from",
            "--from",
            metavar="RUN",
            help="Fine-tune this run's network.",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Learn from its answers too: mnist-edge-ensemble-int8, a bundled model's name, "
            "or an .onnx file.",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="All of the above from a recipe that comes with mnist-edge: nano, small, large, "
            "ensemble (how the released models were made), fast or classic.",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="The recipe fast: eight epochs of MNIST's images alone, within a minute."
            " Good enough to start with.",
            rich_help_panel=_RECIPE,
        ),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml",
            help="The same from a file, such as the recipe.toml of a run.",
            rich_help_panel=_RECIPE,
        ),
    ] = None,
    dataset: _Dataset = None,
    data: _Data = None,
    val_split: _ValSplit = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Its folder.", show_default="runs/ARCH-N", rich_help_panel=_RUN),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            help="Continue an interrupted one (--out, else the latest).", rich_help_panel=_RUN
        ),
    ] = False,
    device: _Device = "auto",
) -> None:
    """Train a network.

    Writes best.pt, last.pt, config.json, recipe.toml, history.csv and curves.png into the run's
    folder, and events for TensorBoard where that is installed. Ctrl-C loses nothing but the epoch
    it is in.
    """
    options = {
        "arch": arch,
        "dataset": dataset,
        "init_from": None if init_from is None else str(init_from),
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "lr": lr,
        "schedule": schedule,
        "weight_decay": weight_decay,
        "label_smoothing": label_smoothing,
        "augment": augment,
        "photos": photos,
        "teacher": teacher,
        "val_split": val_split,
        "patience": patience,
        "seed": seed,
    }
    named = [
        name
        for name, value in (("--recipe", recipe), ("--config", config), ("--fast", fast or None))
        if value is not None
    ]
    if len(named) > 1:
        raise UsageError(f"{' and '.join(named)}: choose one")
    _command("train").train(
        {name: value for name, value in options.items() if value is not None},
        recipe="fast" if fast else recipe,
        config=config,
        data=data,
        out=out,
        resume=resume,
        device=device,
    )


@commands.command(
    epilog="""
**Examples**

`mnist-edge tune --arch lenet --trials 30`

`mnist-edge train --config runs/tuned.toml --epochs 50`
"""
)
def tune(
    arch: Annotated[str | None, typer.Option(help="Which network.", show_default="small")] = None,
    trials: Annotated[
        int, typer.Option(min=1, help="To finish in all, those of earlier calls counted.")
    ] = 20,
    epochs: Annotated[int, typer.Option(min=1, help="Of each trial.")] = 5,
    photos: Annotated[
        int, typer.Option(min=0, help="Simulated photographs beside the images of each epoch.")
    ] = 0,
    seed: Annotated[
        int | None, typer.Option(help="Of the search and of every trial.", show_default="0")
    ] = None,
    storage: Annotated[
        Path, typer.Option(metavar="FILE", help="SQLite file that keeps the trials.")
    ] = Path("runs/tune.db"),
    study: Annotated[
        str | None,
        typer.Option(help="The search's name in it.", show_default="the architecture's"),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FILE.toml", help="Where to write the best recipe.")
    ] = Path("runs/tuned.toml"),
    dataset: _Dataset = None,
    data: _Data = None,
    device: _Device = "auto",
) -> None:
    """Search for a better recipe, judged by the validation split alone.

    Optuna's TPE over learning rate, batch size, weight decay, label smoothing, warm-up, moving
    average and augmentation; trials that lag behind are stopped. The same command goes on with
    an interrupted search. Needs the extra `tune`.
    """
    options = {
        "arch": arch,
        "dataset": dataset,
        "epochs": epochs,
        "photos": photos,
        "seed": seed,
    }
    _command("tune").tune(
        {name: value for name, value in options.items() if value is not None},
        trials=trials,
        storage=storage,
        study=study,
        out=out,
        data=data,
        device=device,
    )


@commands.command(
    epilog="""
**Examples**

`mnist-edge runs`

`mnist-edge runs lenet-1 lenet-2`
"""
)
def runs(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Two or more to compare: folders, or names under runs.",
            show_default="all",
        ),
    ] = None,
    as_json: _Json = False,
) -> None:
    """List the training runs, or compare some: how their recipes differ, and what they reached."""
    _command("runs").runs(names or [], as_json=as_json)


@commands.command(
    epilog="""
**Examples**

`mnist-edge evaluate`

`mnist-edge evaluate runs/mine --split validation`

`mnist-edge evaluate mnist-edge-int8`

`mnist-edge evaluate mnist-edge-int8 --robustness`

`mnist-edge evaluate mnist-edge-int8 --rejection --out .`
"""
)
def evaluate(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN|MODEL",
            help="A run's folder, an .onnx file, or a bundled model's name.",
            show_default="the latest run",
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="test, or validation (a run's held-out images).")
    ] = "test",
    data: _Data = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the pictures and their JSON.", show_default="the run's, or none"
        ),
    ] = None,
    svg: Annotated[bool, typer.Option("--svg", help="Draw every picture as SVG too.")] = False,
    robustness: Annotated[
        bool,
        typer.Option(help="Score simulated photographs instead, by what is wrong with them."),
    ] = False,
    pictures: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10_000,
            help="With --robustness: digits for each figure.",
            show_default="500",
        ),
    ] = None,
    rejection: Annotated[
        bool, typer.Option(help="Show instead what a least confidence keeps back.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Score a network: top-1, precision, recall, F1, calibration, confusion matrix.

    For a run, or with --out, the same is written as evaluation-SPLIT.json, with pictures: the
    confusion matrix, the most confident mistakes, predictions beside the truth, the reliability
    diagram, the first layer's filters, and where the network looked.
    """
    if robustness and rejection:
        raise UsageError("--robustness and --rejection: choose one")
    if pictures is not None and not robustness:
        raise UsageError("--pictures: goes with --robustness")
    if robustness and out is not None:
        raise UsageError("--out: --robustness draws no picture; redirect its table or its --json")
    if robustness:
        _command("evaluate").robustness(
            target, split=split, data=data, pictures=pictures or 500, as_json=as_json
        )
    elif rejection:
        _command("evaluate").rejection(target, split=split, data=data, out=out, as_json=as_json)
    else:
        _command("evaluate").evaluate(
            target, split=split, data=data, out=out, as_json=as_json, svg=svg
        )


@commands.command(
    epilog="""
**Examples**

`mnist-edge report`

`mnist-edge report runs/mine --output report.html`
"""
)
def report(
    run: Annotated[
        Path | None,
        typer.Argument(metavar="RUN", help="A run's folder.", show_default="the latest"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write it.", show_default="RUN/report.html"),
    ] = None,
    data: _Data = None,
) -> None:
    """Write a run's report: two pages, in one HTML file that opens offline.

    Data, model, curves, metrics, confusion matrix, mistakes, published results beside its own,
    and what to try next. What is missing of `mnist-edge evaluate` is done first.
    """
    _command("report").report(run, data=data, output=output)


@commands.command(
    epilog="""
**Examples**

`mnist-edge export --quantize`

`mnist-edge export runs/mine --quantize --output digits.onnx`
"""
)
def export(
    run: Annotated[
        Path | None, typer.Argument(help="A run's folder.", show_default="the latest")
    ] = None,
    quantize: Annotated[bool, typer.Option(help="Write an int8 file too.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            help="A folder, or a path ending in .onnx; int8 goes beside it.",
            show_default="the run's folder",
        ),
    ] = None,
    data: _Data = None,
    force: Annotated[bool, typer.Option(help="Write the files even if the gate fails.")] = False,
) -> None:
    """Write complete ONNX files, proven to tell the same digits.

    torch, fp32 and int8 are compared over all test images. Past a bound nothing is written.
    """
    _command("export").export(run, quantize=quantize, output=output, data=data, force=force)


def _command(name: str) -> ModuleType:
    """A module of the trainer's commands; says what is not installed, or failed to load."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"this command needs {', '.join(missing)}; install with: "
            "pip install 'mnist-edge[train]' (in a checkout: pip install '.[train]')"
        )
    try:
        with interruptible_imports():
            return importlib.import_module(f"mnist_edge_trainer.cli.{name}")
    except ImportError as error:
        raise UsageError(
            f"the training packages are installed but one failed to load ({error}); reinstall it"
        ) from error
