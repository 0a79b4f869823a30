"""Measures the table of `mnist-edge archs`: `python tests/benchmarks/architectures.py`.

Each architecture is trained with the recipe `classic` for every seed, exported through the gate,
and timed beside the others in one process. Finished runs are not trained again, interrupted ones
are resumed. The figures are written into the package, where `mnist-edge archs` reads them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mnist_edge.bench.runner import measure
from mnist_edge.bench.scenarios import Plan, Scenario
from mnist_edge.bench.targets import TargetSpec
from mnist_edge.model import Model
from mnist_edge_trainer.architectures.registry import ARCHITECTURES, DEFAULT_ARCHITECTURE
from mnist_edge_trainer.cli.archs import MEASURED

PROGRAM = [sys.executable, "-m", "mnist_edge"]
RECIPE = "classic"

SLOW = ("vgg", "resnet", "large", "ensemble")
"""Trained with the first seed only: each run takes more than ten minutes on two cores."""


def seeds_of(arch: str, seeds: list[int]) -> list[int]:
    """The seeds that an architecture is trained with."""
    return seeds[:1] if arch in SLOW else seeds


def trained(run: Path, options: Sequence[str]) -> Path:
    """Trains with these options, or resumes, unless the run is finished; returns its folder."""
    if not (run / "curves.png").exists():
        is_interrupted = (run / "last.pt").exists()
        arguments = ["--resume"] if is_interrupted else options
        subprocess.run([*PROGRAM, "train", *arguments, "--out", str(run)], check=True)
    return run


def exported(run: Path) -> dict[str, Path]:
    """Exports a run; its files by precision. Ends the program where the gate fails."""
    files = {name: run / f"mnist-edge-{name}.onnx" for name in ("fp32", "int8")}
    if not all(file.exists() for file in files.values()):
        subprocess.run([*PROGRAM, "export", str(run), "--quantize"], check=True)
    return files


def latencies(names: list[str]) -> dict[str, float]:
    """Of one picture, over that of the first."""
    targets = tuple(TargetSpec(name) for name in names)
    report = measure(Plan(targets, scenarios=(Scenario.SINGLE_STREAM,)))
    relative = [report.relative(index) for index in range(len(names))]
    return {name: own.value for name, own in zip(names, relative, strict=True) if own}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/classic"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    options = parser.parse_args()
    with ThreadPoolExecutor(options.jobs) as pool:
        futures = {
            (arch, seed): pool.submit(
                trained,
                options.runs / f"{arch}-{seed}",
                ["--arch", arch, "--recipe", RECIPE, "--seed", str(seed)],
            )
            for arch in ARCHITECTURES
            for seed in seeds_of(arch, options.seeds)
        }
        runs = {key: future.result() for key, future in futures.items()}
    files = {key: exported(run) for key, run in runs.items()}
    first = {arch: files[arch, options.seeds[0]] for arch in ARCHITECTURES}
    default = str(first[DEFAULT_ARCHITECTURE]["int8"])
    names = [default, *(str(f["int8"]) for f in first.values() if str(f["int8"]) != default)]
    relative = latencies(names)
    measured = {
        arch: {
            "seeds": seeds_of(arch, options.seeds),
            **{
                f"test_accuracy_{precision}": [
                    float(Model.load(files[arch, seed][precision]).metadata["test_accuracy"])
                    for seed in seeds_of(arch, options.seeds)
                ]
                for precision in ("fp32", "int8")
            },
            "fp32_bytes": first[arch]["fp32"].stat().st_size,
            "int8_bytes": first[arch]["int8"].stat().st_size,
            "relative_latency": round(relative[str(first[arch]["int8"])], 2),
        }
        for arch in ARCHITECTURES
    }
    MEASURED.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    subprocess.run([*PROGRAM, "models"], check=True)


if __name__ == "__main__":
    main()
