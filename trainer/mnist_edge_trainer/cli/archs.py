"""`mnist-edge models`: the architectures, with what they take and what they reach."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mnist_edge.outputs.tables import print_table
from mnist_edge_trainer.architectures.registry import (
    ARCHITECTURES,
    build,
    count_macs,
    count_parameters,
)

__all__ = ["MEASURED", "models"]

MEASURED = Path(__file__).parents[1] / "architectures" / "measured.json"
"""Figures that `tests/benchmarks/architectures.py` measured with the recipe ``classic``."""


def models(*, as_json: bool) -> None:
    """Lists them. Parameters and count_macs are counted now, the rest was measured."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    rows = [_row(name, measured.get(name, {})) for name in ARCHITECTURES]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    print_table(
        [
            *("arch", "what it is", "parameters", "MACs", "fp32 KiB", "int8 KiB"),
            *("top-1 fp32", "top-1 int8", "latency"),
        ],
        [
            [
                row["arch"],
                row["summary"],
                f"{row['parameters']:,}",
                f"{row['macs']:,}",
                _kib(row.get("fp32_bytes")),
                _kib(row.get("int8_bytes")),
                _spread(row.get("test_accuracy_fp32")),
                _spread(row.get("test_accuracy_int8")),
                f"{row['relative_latency']:.2f} x" if "relative_latency" in row else "-",
            ]
            for row in rows
        ],
        words=2,
    )


def _row(name: str, measured: dict[str, Any]) -> dict[str, Any]:
    network = build(name)
    return {
        "arch": name,
        "summary": ARCHITECTURES[name].summary,
        "parameters": count_parameters(network),
        "macs": count_macs(network),
        **measured,
    }


def _kib(size: int | None) -> str:
    return "-" if size is None else f"{size / 1024:.1f}"


def _spread(accuracies: Sequence[float] | None) -> str:
    """Mean and sample standard deviation over the seeds."""
    if not accuracies:
        return "-"
    mean = f"{statistics.mean(accuracies):.2%}"
    return f"{mean} ± {statistics.stdev(accuracies) * 100:.2f}" if len(accuracies) > 1 else mean
