"""`mnist-edge archs`: the architectures, with their sizes, accuracies and latencies."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_edge.options import option
from mnist_edge_trainer.cli.common import JSON_FLAGS, examples, training_packages

__all__ = ["EXAMPLES", "MEASURED", "ArchsOptions", "archs"]

EXAMPLES = examples("mnist-edge archs", "mnist-edge archs --json")

MEASURED = Path(__file__).parents[1] / "architectures" / "measured.json"
"""Figures that `tests/benchmarks/architectures.py` measured with the recipe ``classic``."""


@dataclass(frozen=True)
class ArchsOptions:
    """Options of `mnist-edge archs`."""

    as_json: bool = option(False, *JSON_FLAGS)


def archs(options: ArchsOptions) -> None:
    """List the architectures: parameters, multiplications, size, accuracy, latency.

    Accuracies are those on MNIST's test images, mean and standard deviation over the seeds. Latency
    is that of one picture in int8, relative to the default architecture's.
    """
    with training_packages():
        from mnist_edge_trainer.architectures.registry import ARCHITECTURES

    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    rows = [
        _row(name, architecture.summary, measured.get(name, {}))
        for name, architecture in ARCHITECTURES.items()
    ]
    if options.as_json:
        print(json.dumps(rows, indent=2))
    else:
        _print_rows(rows)


def _row(name: str, summary: str, measured: dict[str, Any]) -> dict[str, Any]:
    """Figures of an architecture: some are counted now, the rest was measured."""
    from mnist_edge_trainer.architectures.registry import build, count_macs, count_parameters

    network = build(name)
    return {
        "arch": name,
        "summary": summary,
        "parameters": count_parameters(network),
        "macs": count_macs(network),
        **measured,
    }


def _print_rows(rows: Sequence[dict[str, Any]]) -> None:
    from mnist_edge.outputs.terminal_table import print_table

    print_table(
        [
            "arch",
            "what it is",
            "parameters",
            "MACs",
            "fp32 KiB",
            "int8 KiB",
            "top-1 fp32",
            "top-1 int8",
            "latency",
        ],
        [
            [
                row["arch"],
                row["summary"],
                f"{row['parameters']:,}",
                f"{row['macs']:,}",
                _kib(row.get("fp32_bytes")),
                _kib(row.get("int8_bytes")),
                _mean_and_spread(row.get("test_accuracy_fp32")),
                _mean_and_spread(row.get("test_accuracy_int8")),
                f"{row['relative_latency']:.2f} x" if "relative_latency" in row else "-",
            ]
            for row in rows
        ],
        words=2,
    )


def _kib(size: int | None) -> str:
    return "-" if size is None else f"{size / 1024:.1f}"


def _mean_and_spread(accuracies: Sequence[float] | None) -> str:
    """Mean and sample standard deviation over the seeds, percent."""
    if not accuracies:
        return "-"
    mean = f"{statistics.mean(accuracies):.2%}"
    return f"{mean} ± {statistics.stdev(accuracies) * 100:.2f}" if len(accuracies) > 1 else mean
