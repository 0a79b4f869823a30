"""`mnist-edge serve`: loads the model, then serves until a signal."""

from __future__ import annotations

from mnist_edge.cli.console import log_error
from mnist_edge.errors import MissingExtraError
from mnist_edge.serve.allocator import give_memory_back
from mnist_edge.serve.serve_options import ServeOptions

__all__ = ["run"]

_PACKAGES = ("h11", "python_multipart", "segno", "starlette", "uvicorn")


def run(options: ServeOptions) -> None:
    """Runs the server.

    Args:
        options: of the command.

    Raises:
        MissingExtraError: the extra is not installed.
        ModelError: the model cannot be loaded.
        UsageError: the address cannot be listened on.
    """
    give_memory_back()
    try:
        from mnist_edge.serve.app import create_app
        from mnist_edge.serve.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PACKAGES:
            raise
        raise MissingExtraError(
            f"serve needs {error.name}; install it: pip install 'mnist-edge[serve]'"
        ) from error
    from mnist_edge.classifier import DigitClassifier

    classifier = DigitClassifier(
        options.model, threads=options.threads, min_confidence=options.min_confidence
    )
    serve(create_app(options, classifier), options, log_error)
