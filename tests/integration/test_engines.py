"""Ray and Spark, the real ones, on two workers: the rows of the command line."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from mnist_edge.integrations.ray import Predict
from tests.conftest import ROOT, Cli, Digits

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

COUNT, FILES = 2_000, 8


@pytest.fixture(scope="module")
def scans(test_digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parquet files of pictures, one of which is none, with a key."""
    folder = tmp_path_factory.mktemp("scans")
    contents = []
    for image in test_digits[0][:COUNT]:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        contents.append(file.getvalue())
    contents[COUNT // 2] = b"no picture"
    size = COUNT // FILES
    for number in range(FILES):
        part = slice(number * size, (number + 1) * size)
        table = pyarrow.table({"image": contents[part], "id": range(part.start, part.stop)})
        parquet.write_table(table, folder / f"{number}.parquet")
    return folder


@pytest.fixture(scope="module")
def expected(scans: Path, cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Rows of the command line."""
    output = tmp_path_factory.mktemp("rows") / "rows.parquet"
    options = ("--min-confidence", "0.5", "--format", "parquet", "--output", output)
    done = cli("predict", f"{scans}/*.parquet", *options)
    assert done.returncode == 1
    return rows(parquet.read_table(output))


def documented_job(engine: str) -> str:
    """The job in the documentation, on the checkpoints of this machine."""
    page = (ROOT / "docs" / "past-one-machine.md").read_text(encoding="utf-8")
    (job,) = re.findall(rf"```py\n# job: {engine}\n(.*?)```", page, re.DOTALL)
    return str(job)


def run_documented(job: str, folder: Path, scans: Path) -> list[Any]:
    """Runs a job as a program, in a folder with the scans; its rows."""
    (folder / "scans").symlink_to(scans)
    subprocess.run(
        [sys.executable, "-c", job], cwd=folder, check=True, timeout=300, capture_output=True
    )
    return rows(parquet.read_table(folder / "rows"))


def rows(table: Any) -> list[Any]:
    """What does not depend on the names of the pictures, by the key."""
    found = sorted(table.to_pylist(), key=lambda row: row["id"])
    return [
        (row["id"], row["digit"], row["confidence"], row["probabilities"], row["error"] is None)
        for row in found
    ]


class DiesOnce(Predict):
    """An actor that is killed in the middle of the job, once.

    Args:
        marker: a file that says that it was.
    """

    def __init__(self, marker: str, **options: Any) -> None:
        super().__init__(**options)
        self._marker, self._batches = Path(marker), 0

    def __call__(self, batch: Any) -> Any:
        self._batches += 1
        if self._batches == 2 and not self._marker.exists():
            self._marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(batch)


class Breaks(Predict):
    """Fails at one picture, as a job does whose machine is taken away."""

    def __call__(self, batch: Any) -> Any:
        if any(number >= COUNT - 10 for number in batch.column("id").to_pylist()):
            raise RuntimeError("taken away")
        return super().__call__(batch)


class TestRay:
    @pytest.fixture(scope="class")
    @classmethod
    def ray(cls) -> Iterator[Any]:
        ray = pytest.importorskip("ray")
        # Two for the actors; the others for what reads, writes, and looks up what is done.
        ray.init(num_cpus=6, include_dashboard=False, log_to_driver=False)
        try:
            yield ray
        finally:
            ray.shutdown()

    def test_rows_are_those_of_the_command_line(
        self, ray: Any, scans: Path, expected: list[Any], tmp_path: Path
    ) -> None:
        self.run(ray, Predict, scans, tmp_path / "rows")
        assert rows(parquet.read_table(tmp_path / "rows")) == expected

    def test_job_goes_on_when_a_worker_is_killed(
        self, ray: Any, scans: Path, expected: list[Any], tmp_path: Path
    ) -> None:
        marker = tmp_path / "killed"
        self.run(ray, DiesOnce, scans, tmp_path / "rows", str(marker))
        assert marker.exists()
        assert rows(parquet.read_table(tmp_path / "rows")) == expected

    def test_job_that_broke_is_resumed(
        self, ray: Any, scans: Path, expected: list[Any], tmp_path: Path
    ) -> None:
        from ray.data.checkpoint import CheckpointConfig

        context = ray.data.DataContext.get_current()
        context.checkpoint_config = CheckpointConfig("id", str(tmp_path / "checkpoint"))
        try:
            with pytest.raises(Exception, match="taken away"):
                self.run(ray, Breaks, scans, tmp_path / "rows")
            done = parquet.read_table(tmp_path / "rows").num_rows
            assert 0 < done < COUNT
            self.run(ray, Predict, scans, tmp_path / "rows")
        finally:
            context.checkpoint_config = None
        assert rows(parquet.read_table(tmp_path / "rows")) == expected

    @pytest.mark.usefixtures("ray")
    def test_documented_job(self, scans: Path, expected: list[Any], tmp_path: Path) -> None:
        job = documented_job("ray").replace("/shared/", f"{tmp_path}/")
        # As of a machine of six cores; on a cluster, Ray knows them.
        job = job.replace("ray.init()", "ray.init(num_cpus=6, include_dashboard=False)")
        job = job.replace("max_size=64", "max_size=2")
        assert run_documented(job, tmp_path, scans) == expected

    @staticmethod
    def run(ray: Any, predict: type, scans: Path, output: Path, *arguments: str) -> None:
        (
            ray.data.read_parquet(str(scans))
            .repartition(target_num_rows_per_block=COUNT // FILES)
            .map_batches(
                predict,
                fn_constructor_args=arguments,
                fn_constructor_kwargs={"min_confidence": 0.5},
                batch_format="pyarrow",
                batch_size=100,
                compute=ray.data.ActorPoolStrategy(size=2),
            )
            .write_parquet(str(output))
        )


class TestSpark:
    @pytest.fixture(scope="class")
    @classmethod
    def spark(cls) -> Iterator[Any]:
        sql = pytest.importorskip("pyspark.sql")
        # Two workers; a task is tried four times, as on a cluster.
        session = (
            sql.SparkSession.builder.master("local[2,4]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.execution.arrow.maxRecordsPerBatch", "100")
            .getOrCreate()
        )
        try:
            yield session
        finally:
            session.stop()

    @pytest.mark.parametrize("is_killed", [False, True])
    def test_rows_are_those_of_the_command_line(
        self, spark: Any, scans: Path, expected: list[Any], tmp_path: Path, is_killed: bool
    ) -> None:
        from mnist_edge.integrations.spark import predict_udf

        said = predict_udf(min_confidence=0.5)("image").alias("said")
        job = spark.read.parquet(str(scans)).select("id", said).select("id", "said.*")
        with killed_worker() if is_killed else contextlib.nullcontext():
            job.write.parquet(str(tmp_path / "rows"))
        assert rows(parquet.read_table(tmp_path / "rows")) == expected

    def test_documented_job(self, scans: Path, expected: list[Any], tmp_path: Path) -> None:
        pytest.importorskip("pyspark.sql")
        assert run_documented(documented_job("spark"), tmp_path, scans) == expected

    def test_errors_say_the_names(self, spark: Any, tmp_path: Path) -> None:
        from mnist_edge.integrations.spark import predict_udf

        (tmp_path / "x.png").write_bytes(b"no picture")
        files = spark.read.format("binaryFile").load(str(tmp_path))
        said = predict_udf(with_names=True)("content", "path").alias("said")
        (row,) = files.select(said).collect()
        assert row.said.digit is row.said.probabilities is None
        assert "x.png: not an image" in row.said.error


class killed_worker:  # noqa: N801 - reads as a block
    """Kills one of Spark's Python processes while it works."""

    def __enter__(self) -> None:
        self._killed = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._kill)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        assert self._killed.is_set()

    def _kill(self) -> None:
        while not self._ended.is_set():
            for worker in spark_workers():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    self._killed.set()
                    return


def spark_workers() -> list[int]:
    """Processes that a `pyspark.daemon` has forked."""
    parents: dict[int, int] = {}
    daemons = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            status = (entry / "stat").read_text().rpartition(") ")[2].split()
            if b"pyspark.daemon" in (entry / "cmdline").read_bytes():
                daemons.add(int(entry.name))
                parents[int(entry.name)] = int(status[1])
    return [process for process, parent in parents.items() if parent in daemons]
