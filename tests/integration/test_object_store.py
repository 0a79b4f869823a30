"""Pictures in an object store, by URL: a real S3 server on the loopback interface."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import numpy as np
import pyarrow
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image
from pyarrow import parquet

from tests.conftest import Cli, Digits, one_line_error

COUNT = 300
KEYS = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "secret"}


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@dataclass
class Store:
    """A server, and what is in it: a folder, tars and Parquet files of the same pictures.

    Attributes:
        port: of the server.
        variables: of the environment of a program that uses it.
    """

    port: int
    variables: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.variables = self.at(self.port)

    def at(self, port: int) -> dict[str, str]:
        """The variables for a server on another port, such as a proxy's."""
        return {
            **KEYS,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@pytest.fixture(scope="module")
def pictures(test_digits: Digits) -> list[bytes]:
    return [png(image) for image in test_digits[0][:COUNT]]


@pytest.fixture(scope="module")
def store(pictures: list[bytes]) -> Iterator[Store]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        store = Store(server.get_host_and_port()[1])
        fill(client(store), pictures)
        yield store
    finally:
        server.stop()


def client(store: Store) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=store.variables["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="someone",
        aws_secret_access_key="secret",
    )


def fill(s3: Any, pictures: list[bytes]) -> None:
    s3.create_bucket(Bucket="scans")
    for number, content in enumerate(pictures[:40]):
        folder = "page" if number < 30 else "page/more"
        s3.put_object(Bucket="scans", Key=f"{folder}/{number:03}.png", Body=content)
    s3.put_object(Bucket="scans", Key="page/notes.txt", Body=b"none")
    s3.put_object(Bucket="scans", Key="page/damaged.png", Body=pictures[0][:60])
    half = COUNT // 2
    for shard, part in enumerate((pictures[:half], pictures[half:])):
        s3.put_object(Bucket="scans", Key=f"shard-{shard:06}.tar", Body=tar(part))
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"image": pictures, "label": range(COUNT)}), file)
    s3.put_object(Bucket="scans", Key="all.parquet", Body=file.getvalue())


def tar(pictures: list[bytes]) -> bytes:
    """As WebDataset has them: a picture, and beside it what it is."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number, content in enumerate(pictures):
            for suffix, data in (("png", content), ("cls", b"7")):
                member = tarfile.TarInfo(f"{number:06}.{suffix}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


@dataclass
class Rows:
    """What a run printed."""

    code: int
    rows: list[dict[str, Any]]

    @property
    def digits(self) -> list[int | None]:
        return [row["digit"] for row in self.rows]

    @property
    def names(self) -> list[str]:
        return [row["path"] for row in self.rows]


def run(cli: Cli, variables: Mapping[str, str], *arguments: str) -> Rows:
    done = cli(
        "predict", *arguments, "--format", "jsonl", "--min-confidence", "0", variables=variables
    )
    assert "Traceback" not in done.stderr
    return Rows(done.returncode, [json.loads(line) for line in done.stdout.splitlines()])


@pytest.fixture(scope="module")
def expected(
    pictures: list[bytes], cli: Cli, tmp_path_factory: pytest.TempPathFactory
) -> list[int | None]:
    """Digits of the pictures, read from the disk."""
    path = tmp_path_factory.mktemp("disk") / "all.tar"
    path.write_bytes(tar(pictures))
    return run(cli, {}, str(path)).digits


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_is_read_by_url_is_what_is_read_from_the_disk(
    cli: Cli, store: Store, expected: list[int | None], workers: str
) -> None:
    def digits(*arguments: str) -> list[int | None]:
        return run(cli, store.variables, *arguments, "--workers", workers).digits

    assert digits("s3://scans/page/0*.png") == expected[:30]
    assert digits("s3://scans/page/007.png") == expected[7:8]
    assert digits("s3://scans/shard-000000.tar", "s3://scans/shard-000001.tar") == expected
    assert digits("s3://scans/shard-*.tar") == expected
    assert digits("s3://scans/all.parquet") == expected


def test_folder_is_walked_as_one_of_the_disk(
    cli: Cli, store: Store, expected: list[int | None]
) -> None:
    flat = run(cli, store.variables, "s3://scans/page")
    names = [f"s3://scans/page/{number:03}.png" for number in range(40)]
    assert flat.names == [*names[:30], "s3://scans/page/damaged.png"]
    assert flat.digits == [*expected[:30], None]
    assert flat.code == 1
    deep = run(cli, store.variables, "s3://scans/page/", "--recursive")
    below = [f"s3://scans/page/more/{number:03}.png" for number in range(30, 40)]
    assert deep.names == [*names[:30], "s3://scans/page/damaged.png", *below]


def test_list_of_urls_is_fetched_by_the_workers(
    cli: Cli, store: Store, expected: list[int | None], tmp_path: Any
) -> None:
    names = [f"s3://scans/page/{number:03}.png" for number in range(30)] * 20
    (tmp_path / "names").write_text("\n".join(names))
    found = run(cli, store.variables, "--files-from", str(tmp_path / "names"), "--workers", "2")
    assert found.digits == expected[:30] * 20


def test_shards_of_a_store_are_the_whole(cli: Cli, store: Store) -> None:
    whole = run(cli, store.variables, "s3://scans/all.parquet")
    parts = [
        run(cli, store.variables, "s3://scans/all.parquet", "--shard", f"{number}/3").rows
        for number in range(3)
    ]
    rows = [json.dumps(row) for part in parts for row in part]
    assert sorted(rows) == sorted(map(json.dumps, whole.rows))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://scans/nothing", "s3://scans/nothing: no such file"),
        ("s3://scans/nothing.png", "s3://scans/nothing.png: no such file"),
        ("s3://scans/nothing.tar", "s3://scans/nothing.tar: no such file"),
        ("s3://elsewhere/x.parquet", "s3://elsewhere/x.parquet: no such file"),
        ("s3://elsewhere/folder/*.png", "The specified bucket does not exist"),
        ("s3://me:word@scans/x.png", "s3://...@scans/x.png: a key does not belong into a URL"),
        ("http://scans/x.png", "only s3://, gs://, file:// are read; fetch it first"),
        ("s3://", "s3://: names no bucket"),
        ("file://elsewhere/x.png", "a file of another machine is not read; file:///PATH is"),
        ("s3://scans/x.zip", "s3://scans/x.zip: cannot be read by its URL"),
    ],
)
def test_what_cannot_be_read_is_one_line(cli: Cli, store: Store, url: str, message: str) -> None:
    done = cli("predict", url, "--format", "csv", variables=store.variables)
    line = one_line_error(done, 1)
    assert message in line
    assert "word" not in line


def test_store_that_refuses_is_one_line(cli: Cli, store: Store) -> None:
    """Nobody listens on the port that is named."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        done = cli(
            "predict", "s3://scans/page/007.png", variables=store.at(unused.getsockname()[1])
        )
    assert "s3://scans/page/007.png: cannot be read (" in one_line_error(done, 1)


def test_pictures_before_a_broken_connection_are_predicted(
    cli: Cli, store: Store, expected: list[int | None]
) -> None:
    size = client(store).head_object(Bucket="scans", Key="shard-000000.tar")["ContentLength"]
    with cut_after(store.port, size // 2) as port:
        found = run(cli, store.at(port), "s3://scans/shard-000000.tar", "--workers", "1")
    assert found.code == 1
    assert 0 < len(found.rows) < COUNT // 2
    assert found.digits == [*expected[: len(found.rows) - 1], None]
    assert found.rows[-1]["error"].startswith("s3://scans/shard-000000.tar: cannot be read (")


class cut_after:  # noqa: N801 - reads as a block
    """A proxy that passes on so many bytes of a server's answers, and then refuses."""

    def __init__(self, port: int, size: int) -> None:
        self._target, self._left = port, size
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> int:
        self._thread.start()
        port: int = self._listener.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, socket.create_connection(("127.0.0.1", self._target)) as server:
                self._pass_on(client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        requests = threading.Thread(target=self._requests, args=(client, server), daemon=True)
        requests.start()
        while self._left > 0 and (block := server.recv(min(4096, self._left))):
            self._left -= len(block)
            client.sendall(block)
        for end in (client, server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:  # the other side was quicker
                continue
        requests.join()

    @staticmethod
    def _requests(client: socket.socket, server: socket.socket) -> None:
        try:
            while block := client.recv(4096):
                server.sendall(block)
        except OSError:  # cut
            return


def test_output_belongs_on_the_disk(cli: Cli, store: Store) -> None:
    done = cli(
        *("predict", "samples/7-pen.png", "--format", "parquet"),
        *("--output", "s3://scans/rows.parquet"),
        variables=store.variables,
    )
    assert "must be a file here" in one_line_error(done, 2)
    assert not os.path.exists("s3:")
