"""Parquet, Ray and Spark against the same pictures in a tar: `python tests/benchmarks/engines.py`.

Every figure is of whole processes that take turns. Start-up is the time of the same job over 100
pictures, and is subtracted from both sides of a ratio that says so. This process stays small: on
Linux, a process begins with the peak of whoever started it.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from volume import PREDICT, SAMPLES, asked, measured

FEW, MANY, FILES = 100, 100_000, 8

WRITE = """
import io, sys, tarfile
from pathlib import Path
import pyarrow
from PIL import Image
from pyarrow import parquet
from mnist_edge.mnist import load_split
folder, count, files, samples = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
contents = []
for image in load_split(samples, "test")[0]:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    contents.append(file.getvalue())
schema = pyarrow.schema([("image", pyarrow.binary()), ("id", pyarrow.int64())])
def table(start, end):
    some = [contents[number % len(contents)] for number in range(start, end)]
    return pyarrow.table({"image": some, "id": range(start, end)}, schema)
with parquet.ParquetWriter(folder / f"{count}.parquet", schema) as writer:
    for start in range(0, count, 10_000):
        writer.write_table(table(start, min(start + 10_000, count)))
if files:
    (folder / str(count)).mkdir()
    size = -(-count // files)
    for number in range(files):
        part = table(number * size, min((number + 1) * size, count))
        parquet.write_table(part, folder / str(count) / f"{number}.parquet")
    with tarfile.open(folder / f"{count}.tar", "w") as archive:
        for number in range(count):
            member = tarfile.TarInfo(f"{number:07}.png")
            content = contents[number % len(contents)]
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
"""
"""Writes the same pictures as one Parquet file, and as several, and as a tar."""

LAYOUTS = """
import io, os, shutil, sys, tarfile
from pathlib import Path
import pyarrow
from pyarrow import parquet
folder, source, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
pictures = [path.read_bytes() for path in sorted(source.glob(sys.argv[4]))]
contents = [pictures[number % len(pictures)] for number in range(count)]
shutil.rmtree(folder, ignore_errors=True)
(folder / "files").mkdir(parents=True)
for number, content in enumerate(contents):
    (folder / "files" / f"{number:07}.png").write_bytes(content)
with tarfile.open(folder / "all.tar", "w") as archive:
    archive.add(folder / "files", "files")
parquet.write_table(pyarrow.table({"image": contents}), folder / "all.parquet", row_group_size=1000)
print(sum(map(len, pictures)) // len(pictures))
"""
"""Writes the same pictures as files, a tar, and Parquet; prints their mean size in bytes."""

RAY = """
import sys
import ray
from mnist_edge.integrations.ray import Predict
ray.init(num_cpus=int(sys.argv[3]) + 1, include_dashboard=False, log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False
(
    ray.data.read_parquet(sys.argv[1])
    .repartition(target_num_rows_per_block=5_000)
    .map_batches(
        Predict,
        fn_constructor_kwargs={"min_confidence": 0.0},
        batch_format="pyarrow",
        batch_size=1024,
        compute=ray.data.ActorPoolStrategy(size=int(sys.argv[3])),
    )
    .write_parquet(sys.argv[2])
)
"""

SPARK = """
import sys
from pyspark.sql import SparkSession
from mnist_edge.integrations.spark import predict_udf
spark = (
    SparkSession.builder.master(f"local[{sys.argv[3]}]")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.sql.files.maxPartitionBytes", "4m")
    .getOrCreate()
)
said = predict_udf(min_confidence=0.0)("image").alias("said")
spark.read.parquet(sys.argv[1]).select("id", said).select("id", "said.*").write.parquet(sys.argv[2])
spark.stop()
"""


def compare_formats(folder: Path, rounds: int) -> None:
    """Parquet to Parquet, against a tar to JSON Lines."""
    output = folder / "rows"
    common = ["--output", str(output)]
    ours = [*PREDICT, f"{folder}/{MANY}.parquet", "--format", "parquet", *common]
    theirs = [*PREDICT, f"{folder}/{MANY}.tar", "--format", "jsonl", *common]
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for command, taken in zip((ours, theirs), times, strict=True):
            taken.append(measured(command)[0])
    mine, bare = map(statistics.median, times)
    print(f"{MANY:,} pictures, Parquet to Parquet against tar to JSON Lines")
    print(f"  {mine:.2f} s against {bare:.2f} s    {mine / bare:.2f} x", flush=True)


def measure_layouts(folder: Path, rounds: int) -> None:
    """Pictures that one core predicts in an hour, by how they are stored."""
    for title, pattern, count in (
        ("digits of 28 x 28, PNG", "*-mnist.png", 50_000),
        ("photographs, JPEG", "*.jpg", 2_000),
    ):
        layouts = folder / "layouts"
        (size,) = asked(LAYOUTS, str(layouts), str(SAMPLES), str(count), pattern)
        print(f"{count:,} {title}, {int(size):,} bytes each")
        names = {"files": "files", "tar": "all.tar", "Parquet": "all.parquet"}
        times: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            for name, path in names.items():
                command = [*PREDICT, f"{layouts}/{path}", "--workers", "1", "--format", "jsonl"]
                times[name].append(measured(command)[0])
        for name, taken in times.items():
            rate = count / statistics.median(taken)
            hours = 100_000_000 / rate / 3600
            print(
                f"  {name:8} {rate:8,.0f} a second, {rate * 3600 / 1e6:6.2f} million an hour; "
                f"100 million: {hours:,.1f} core hours",
                flush=True,
            )


def compare_memory(folder: Path) -> None:
    """A million rows against ten thousand."""
    peaks = []
    for count in (10_000, 1_000_000):
        asked(WRITE, str(folder), str(count), "0", str(SAMPLES))
        source = folder / f"{count}.parquet"
        command = [*PREDICT, str(source), "--format", "parquet", "--output", f"{folder}/rows"]
        seconds, peak = measured(command)
        print(
            f"{count:9,} rows of Parquet: {seconds:.1f} s, {peak:.1f} MiB at the peak", flush=True
        )
        peaks.append(peak)
        source.unlink()
    print(f"  {peaks[1] / peaks[0]:.2f} x the memory", flush=True)


def compare_engine(name: str, code: str, folder: Path, rounds: int, workers: int) -> None:
    """An engine's job against the command line, on as many workers."""
    times: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for count in (FEW, MANY):
            commands = {
                name: [sys.executable, "-c", code, f"{folder}/{count}"],
                "predict": [*PREDICT, f"{folder}/{count}/*.parquet", "--workers", str(workers)],
            }
            commands["predict"] += ["--format", "parquet", "--output", f"{folder}/rows"]
            for who, command in commands.items():
                output = folder / "engine"
                if who == name:
                    command = [*command, str(output), str(workers)]
                times.setdefault((who, count), []).append(measured(command)[0])
                shutil.rmtree(output, ignore_errors=True)
    medians = {key: statistics.median(taken) for key, taken in times.items()}
    work = {who: medians[who, MANY] - medians[who, FEW] for who in (name, "predict")}
    print(f"{MANY:,} pictures on {workers} workers: {name} against predict")
    for who in (name, "predict"):
        print(f"  {who:8} {work[who]:6.2f} s, and {medians[who, FEW]:.2f} s of start-up")
    print(f"  {work[name] / work['predict']:.2f} x without start-up", flush=True)


def main() -> None:
    known = {"layouts": 3, "formats": 5, "memory": 1, "ray": 3, "spark": 3}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", choices=[*known, []], default=[*known])
    parser.add_argument("--workers", type=int, default=2)
    options: Any = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in (FEW, MANY):
            asked(WRITE, str(folder), str(count), str(FILES), str(SAMPLES))
        if "layouts" in options.what:
            measure_layouts(folder, known["layouts"])
        if "formats" in options.what:
            compare_formats(folder, known["formats"])
        if "memory" in options.what:
            compare_memory(folder)
        if "ray" in options.what:
            compare_engine("ray", RAY, folder, known["ray"], options.workers)
            subprocess.run(["ray", "stop", "--force"], check=False, capture_output=True)
        if "spark" in options.what:
            compare_engine("spark", SPARK, folder, known["spark"], options.workers)


if __name__ == "__main__":
    main()
