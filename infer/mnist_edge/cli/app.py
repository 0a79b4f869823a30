"""The program's commands, as Typer sees them.

Other packages add commands as entry points of the group ``mnist_edge.commands``.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mnist_edge import __version__
from mnist_edge.batch.predict_options import PredictOptions
from mnist_edge.batch.read_options import ReadOptions
from mnist_edge.bench.bench_options import BenchOptions
from mnist_edge.cli.console import interruptible_imports
from mnist_edge.cli.exit_codes import exit_code_of
from mnist_edge.cli.typer_options import with_options
from mnist_edge.errors import one_line
from mnist_edge.serve.serve_options import ServeOptions

__all__ = ["app"]


@contextlib.contextmanager
def _printable_message() -> Iterator[None]:
    """Escapes what may steer the terminal in Typer's own errors: an argument may be a file name."""
    try:
        yield
    except typer.TyperException as error:
        if isinstance(message := getattr(error, "message", None), str):
            error.message = one_line(message)
        raise


class _Commands(TyperGroup):
    """Turns any error that ends a command into one line on stderr and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _printable_message():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        result = None

        def work() -> int:
            nonlocal result
            with _printable_message():
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


@app.command(
    epilog="""
**Examples**

`mnist-edge predict photo.jpg`

`mnist-edge predict scans/ --recursive --format csv --output predictions.csv`

`mnist-edge predict scans/ --format jsonl --output predictions.jsonl --resume`

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
    and has its error in the output), 2 for wrong usage, or nothing to do.
    """
    with interruptible_imports():
        from mnist_edge.cli.predict import run

    if code := run(options):
        raise typer.Exit(code)


@app.command(
    epilog="""
**Examples**

`mnist-edge read envelope.jpg`

`mnist-edge read forms/ --length 5 --format csv --output postcodes.csv`

`mnist-edge read exams/*.jpg --choices students.txt --format jsonl`

`mnist-edge read meters/ --pattern '0\\d{4,5}' --min-confidence 0.9`

`mnist-edge read scans.zip --format jsonl --output numbers.jsonl --resume`

`mnist-edge read receipt.jpg --show`

`mnist-edge read forms/ --save-preprocessed boxes`
"""
)
@with_options(ReadOptions)
def read(options: ReadOptions) -> None:
    """Read every number in each image: all digits, in order, with boxes.

    Exits with 0 when a number was found in every image, 1 when some have none (each is named on
    stderr and has its error in the output), 2 for wrong usage, or nothing to do.
    """
    with interruptible_imports():
        from mnist_edge.cli.read import run

    if code := run(options):
        raise typer.Exit(code)


@app.command(
    epilog="""
**Examples**

`mnist-edge serve`

`MNIST_EDGE_TOKEN=$(openssl rand -hex 16) mnist-edge serve --host 0.0.0.0`

`curl --data-binary @7.jpg http://127.0.0.1:8000/predict`

`curl -F file=@a.jpg -F file=@b.jpg 'http://127.0.0.1:8000/read?length=5'`
"""
)
@with_options(ServeOptions)
def serve(options: ServeOptions) -> None:
    """Serve predictions over HTTP, with a page to draw on.

    Listens on this machine alone unless --host names another address. Ends on Ctrl-C or SIGTERM,
    with 0, once the requests at hand are answered; with 2 if it cannot start.
    """
    with interruptible_imports():
        from mnist_edge.cli.serve import run

    run(options)


@app.command(
    epilog="""
**Examples**

`mnist-edge bench`

`mnist-edge bench --model mnist-edge-int8 --model mine.onnx --threads auto`

`mnist-edge bench --scenario single-stream --output today.json --baseline yesterday.json`

`mnist-edge bench --markdown > bench.md`

`mnist-edge bench --plot plot.svg`

`mnist-edge bench --model mine.onnx --profile`
"""
)
@with_options(BenchOptions)
def bench(options: BenchOptions) -> None:
    """Measure latency, throughput, start-up, memory, size and accuracy.

    All models are timed in interleaved rounds, in several processes one after the other. Medians
    come with 95 % intervals. Exits with 1 if something is slower than in the baseline, or less
    accurate than it must be.
    """
    with interruptible_imports():
        from mnist_edge.cli.bench import run

    if code := run(options):
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
            help="An .onnx file, or a bundled model's name.",
            metavar="MODEL",
            show_default="mnist-edge-int8",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a model's metadata, the operators that onnxruntime runs, and this device."""
    with interruptible_imports():
        from mnist_edge.cli.info import run

    run(model, as_json=as_json)


for _extension in entry_points(group="mnist_edge.commands"):
    app.add_typer(_extension.load())
