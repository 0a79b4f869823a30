"""The command line: parse, call, print, exit code. Other packages add
commands of their own, as entry points of the group ``mnist_edge.commands``.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mnist_edge import __version__
from mnist_edge.batch.options import PredictOptions
from mnist_edge.cli.console import exit_code_of, interruptible_imports
from mnist_edge.cli.typer_options import with_options

__all__ = ["app"]


class _Commands(TyperGroup):
    """Turns whatever ends a command into one line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        result = None

        def work() -> int:
            nonlocal result
            result = super(_Commands, self).invoke(ctx)
            return 0

        if code := exit_code_of(work):
            raise typer.Exit(code)
        return result


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Train a digit classifier, export it to int8 ONNX, and run it on a low-power device.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mnist-edge {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


_Model = Annotated[
    str | None,
    typer.Option(help="An .onnx file, or a bundled model's name.", show_default="mnist-edge-int8"),
]


@app.command(
    epilog="""
**Examples**

`mnist-edge predict photo.jpg`

`mnist-edge predict scans/ --recursive --format csv --output answers.csv`

`mnist-edge predict scans/ --format jsonl --output answers.jsonl --resume`

`mnist-edge predict 'scans/*.png' scans.zip t10k-images-idx3-ubyte.gz --summary`

`find . -name '*.png' -print0 | mnist-edge predict --files-from - -0 --sort-into sorted`

`cat photo.jpg | mnist-edge predict -`

`mnist-edge predict photo.jpg --show`
"""
)
@with_options(PredictOptions)
def predict(options: PredictOptions) -> None:
    """Predict the digit in each image.

    Exits with 0 when every image has a prediction, 1 when some have none (each is named on stderr
    and has its error in the output), 2 when there was nothing to do.
    """
    with interruptible_imports():
        from mnist_edge.cli.predict import run

    if code := run(options):
        raise typer.Exit(code)


@app.command(
    epilog="""
**Examples**

`mnist-edge bench`

`mnist-edge bench --model mnist-edge-int8 --model mine.onnx --threads auto`

`mnist-edge bench --scenario single-stream --output today.json --baseline yesterday.json`

`mnist-edge bench --markdown > bench.md`

`mnist-edge bench --model mine.onnx --profile`
"""
)
def bench(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="What to measure, again for each: any classifier of 28 x 28 pictures. The first "
            "is what the rest is compared with.",
            show_default="the bundled models",
        ),
    ] = None,
    threads: Annotated[
        list[str] | None,
        typer.Option(
            help="Again for each, or 1,2,4; auto tries what is sensible here and says which to "
            "use.",
            show_default="1",
        ),
    ] = None,
    providers: Annotated[
        list[str] | None,
        typer.Option(
            help="Execution providers of onnxruntime, again for each.",
            show_default="CPUExecutionProvider",
        ),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            help="single-stream, multi-stream, offline, end-to-end, start; again for each.",
            show_default="all",
        ),
    ] = None,
    batch_size: Annotated[
        list[int] | None,
        typer.Option(
            min=1, max=65_536, help="For offline; again for each.", show_default="1, 32, 256"
        ),
    ] = None,
    streams: Annotated[
        int, typer.Option(min=2, max=65_536, help="Pictures of one query in multi-stream.")
    ] = 8,
    sittings: Annotated[
        int, typer.Option(min=1, max=1000, help="Processes, one by one, that measure everything.")
    ] = 5,
    rounds: Annotated[
        int, typer.Option(min=2, max=100_000, help="Of everything, in each sitting.")
    ] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Of the order within the rounds.")] = 0,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with MNIST's test files.", show_default="samples, if it is here"),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(help="File for end-to-end.", show_default="one of MNIST's, as PNG"),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Compare with an earlier run's --output."),
    ] = None,
    margin: Annotated[
        float, typer.Option(min=0, max=10, help="Smallest change that is worth a verdict.")
    ] = 0.05,
    min_accuracy: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Exit with 1 where a model is right less often."),
    ] = None,
    watts: Annotated[
        float | None,
        typer.Option(min=0, help="Of the device while this runs, read from a meter."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the JSON here as well.")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw accuracy against latency and size: PNG, or SVG by its name."
        ),
    ] = None,
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Instead of all this, say which nodes take the time."),
    ] = False,
) -> None:
    """Measure latency, throughput, start-up, memory, size and accuracy, side by side.

    Everything is timed in interleaved rounds, in several processes one after the other; medians
    come with intervals of 95 %. Exits with 1 where something is slower than in the baseline, or
    less accurate than it must be.
    """
    with interruptible_imports():
        from mnist_edge.bench.scenarios import Plan
        from mnist_edge.cli.bench import parse_scenarios, parse_threads, run, run_profile
        from mnist_edge.model import bundled_models

    counts, auto = parse_threads(threads or ())
    plan = Plan(
        subjects=tuple(
            (name, count, provider)
            for name in dict.fromkeys(model or bundled_models())
            for provider in dict.fromkeys(providers or ("CPUExecutionProvider",))
            for count in counts
        ),
        scenarios=parse_scenarios(scenario or ()),
        streams=streams,
        batch_sizes=tuple(batch_size or (1, 32, 256)),
        sittings=sittings,
        rounds=rounds,
        seed=seed,
        data=data,
        image=image,
    )
    if profile:
        run_profile(plan)
        return
    code = run(
        plan,
        auto=auto,
        baseline=baseline,
        margin=margin,
        min_accuracy=min_accuracy,
        watts=watts,
        as_json=as_json,
        as_markdown=markdown,
        output=output,
        picture=picture,
    )
    if code:
        raise typer.Exit(code)


@app.command(
    epilog="""
**Examples**

`mnist-edge info`

`mnist-edge info runs/mine/mnist-edge-int8.onnx --json`
"""
)
def info(
    model: Annotated[
        str | None,
        typer.Argument(
            help="An .onnx file, or a bundled model's name.", show_default="mnist-edge-int8"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a model is, what onnxruntime runs of it, and what this device is."""
    with interruptible_imports():
        from mnist_edge.bench.machine import device_facts
        from mnist_edge.model import Model

    loaded = Model.load(model)
    nodes = [f"{operator} x {count}" for operator, count in loaded.executed_nodes().items()]
    facts = {
        "model": loaded.metadata,
        "file": {
            "path": loaded.name,
            "bytes": str(len(loaded.content)),
            "sha256": loaded.sha256,
            "input": "image: uint8 [batch, 1, 28, 28]",
            "output": f"probabilities: float32 [batch, {len(loaded.labels)}]",
            "executed": ", ".join(nodes),
        },
        "device": device_facts(),
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for section, entries in facts.items():
        typer.echo(section)
        for name, value in sorted(entries.items()):
            typer.echo(f"  {name:<24} {value}")


for _extension in entry_points(group="mnist_edge.commands"):
    app.add_typer(_extension.load())
