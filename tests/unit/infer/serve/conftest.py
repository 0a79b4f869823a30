"""A server of its own process, as a user starts it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx
import pytest

from tests.conftest import PROGRAM

PATIENCE = 60.0
"""Seconds that a test waits for a server before it has failed."""


@dataclass
class Served:
    """A running server.

    Attributes:
        url: without a slash at its end.
        process: that serves.
    """

    url: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def client(self, **options: object) -> httpx.Client:
        """A client that keeps its connection."""
        return httpx.Client(base_url=self.url, timeout=PATIENCE, **options)  # type: ignore[arg-type]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ends the server by a signal; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def serving(*options: str, variables: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Starts `mnist-edge serve` on a free port, and ends it after the block."""
    process = subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0", *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(variables or {})},
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.search(r"serving on (https?)://.*:(\d+)/", line)
        assert found, line + process.stderr.read()
        served = Served(f"{found[1]}://127.0.0.1:{found[2]}", process)
        with httpx.Client(verify=False, timeout=PATIENCE) as client:
            # It listens already: the request waits until the server takes it.
            assert client.get(f"{served.url}/ready").status_code == 200
        yield served
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """A server with the defaults, which all tests of a process share."""
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def server(served: Served) -> str:
    """Its address."""
    return served.url


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with served.client() as client:
        yield client
