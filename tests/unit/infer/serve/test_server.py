"""Limits, slow and broken clients, and the end of the server, over real connections."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mnist_edge.serve.responses import RequestError
from mnist_edge.serve.workers import Workers
from tests.unit.infer.serve.conftest import PATIENCE, Served, serving

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")


@contextlib.contextmanager
def connection(server: Served) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
        yield client


def answer_to(client: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and JSON of the response on a connection."""
    content = b""
    while block := client.recv(65_536):
        content += block
    head, _, body = content.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def head(*lines: str) -> bytes:
    first = ("POST /predict HTTP/1.1", "Host: localhost")
    return "\r\n".join((*first, *lines, "", "")).encode()


@pytest.fixture(scope="module")
def strict() -> Iterator[Served]:
    """A server of short time-outs and small limits."""
    with serving("--timeout", "0.5", "--idle-timeout", "1", "--max-body", "1") as server:
        yield server


@pytest.mark.parametrize(
    "sent", [b"", b"POST /pre", head()[:-2], head() + b"GET /"], ids=["none", "line", "head", "two"]
)
def test_connection_without_a_whole_request_is_closed(sent: bytes, strict: Served) -> None:
    with connection(strict) as client:
        client.sendall(sent)
        while client.recv(65_536):  # ends when the server closes: a test that hangs has failed
            pass


def test_slow_body_is_answered_and_the_connection_closed(strict: Served) -> None:
    with connection(strict) as client:
        client.sendall(head("Content-Length: 100") + b"slow")
        status, answer = answer_to(client)
    assert (status, "too long" in answer["error"]) == (408, True)


def test_slow_clients_keep_nobody_waiting(strict: Served, samples: Path) -> None:
    content = (samples / "7-mnist.png").read_bytes()
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            slow = stack.enter_context(connection(strict))
            slow.sendall(head("Content-Length: 100") + b"slow")
        with strict.client() as client:
            assert client.post("/predict", content=content).json()["digit"] == 7


def test_cut_off_requests_leave_the_server_whole(strict: Served, samples: Path) -> None:
    content = (samples / "7-mnist.png").read_bytes()
    for _ in range(20):
        with connection(strict) as client:
            client.sendall(head(f"Content-Length: {len(content)}") + content[:50])
    with strict.client() as client:
        assert client.post("/predict", content=content).json()["digit"] == 7
        held = [line for line in client.get("/metrics").text.splitlines() if "held_bytes" in line]
        assert held[-1] == "mnist_edge_held_bytes 0"


@pytest.mark.parametrize("stated", [True, False], ids=["stated", "chunked"])
def test_large_bodies_are_refused(stated: bool, strict: Served) -> None:
    content = bytes(2 << 20)
    with strict.client() as client, contextlib.suppress(httpx.WriteError):
        sent = content if stated else iter([content[:600_000], content[600_000:]])
        response = client.post("/predict", content=sent)
        assert response.status_code == 413
        assert "1 MiB" in response.json()["error"]


def test_compressed_body_is_refused(client: httpx.Client) -> None:
    response = client.post("/predict", content=b"x", headers={"Content-Encoding": "gzip"})
    assert response.status_code == 415
    assert "Content-Encoding" in response.json()["error"]


def test_endless_headers_are_refused(served: Served) -> None:
    line = b"X-Filler: " + b"a" * 8_000 + b"\r\n"
    with connection(served) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        with contextlib.suppress(OSError):  # refused, and closed, while it is still sent
            for _ in range(12_500):  # 100 MB
                client.sendall(line)
        with contextlib.suppress(OSError):
            status, answer = answer_to(client)
            assert (status, answer) == (431, {"error": "the headers are too long"})


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"hello\r\n\r\n"]
)
def test_what_is_no_http_is_refused(sent: bytes, served: Served) -> None:
    with connection(served) as client:
        client.sendall(sent + b"\r\n\r\n")
        assert answer_to(client) == (400, {"error": "this is no HTTP"})


def test_full_queue_refuses_and_recovers() -> None:
    async def work() -> None:
        workers = Workers(threads=1, waiting=1, memory=100)
        release = threading.Event()
        held = [asyncio.create_task(workers.run(release.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(RequestError) as refused:
            await workers.run(release.wait)
        assert refused.value.status == 503
        assert refused.value.headers["Retry-After"] == "1"
        release.set()
        assert await asyncio.gather(*held) == [True, True]
        assert await workers.run(lambda: 3) == 3
        workers.close()

    asyncio.run(work())


def test_request_that_was_given_up_takes_its_place_until_it_is_done() -> None:
    async def work() -> None:
        workers = Workers(threads=1, waiting=0, memory=100)
        release = threading.Event()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(workers.run(release.wait), 0.01)
        with pytest.raises(RequestError):
            await workers.run(release.wait)
        release.set()
        while workers.busy:
            await asyncio.sleep(0)
        assert await workers.run(lambda: 3) == 3
        workers.close()

    asyncio.run(work())


def test_bytes_of_all_bodies_are_limited() -> None:
    workers = Workers(threads=1, waiting=1, memory=100)
    with workers.held_bytes() as hold:
        hold(60)
        with pytest.raises(RequestError) as refused, workers.held_bytes() as other:
            other(60)
        assert refused.value.status == 503
        hold(40)
    assert workers.held == 0
    workers.close()


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_server_with_0(number: int) -> None:
    with serving() as server, server.client() as client:  # whose connection is idle, and open
        client.get("/health")
        assert server.end(number) == 0


@posix
def test_requests_at_hand_are_answered_before_the_end(samples: Path) -> None:
    content = (samples / "7-mnist.png").read_bytes()
    with serving() as server, connection(server) as client:
        client.sendall(head(f"Content-Length: {len(content)}", "Connection: close") + content[:9])
        with server.client() as other:  # the server has the first bytes by now
            other.get("/health")
        server.process.send_signal(signal.SIGTERM)
        client.sendall(content[9:])
        status, answer = answer_to(client)
        assert (status, answer["digit"]) == (200, 7)
        assert server.process.wait(PATIENCE) == 0


@posix
def test_client_that_never_ends_does_not_keep_the_server() -> None:
    with (
        serving("--timeout", "600", "--idle-timeout", "600") as server,
        connection(server) as client,
    ):
        client.sendall(head("Content-Length: 100") + b"slow")
        assert server.end() == 0


def test_https(tmp_path: Path, samples: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("openssl cannot make a certificate here")
    with serving("--cert", str(cert), "--key", str(key)) as server:
        trusted = ssl.create_default_context(cafile=str(cert))
        with httpx.Client(verify=trusted, timeout=PATIENCE) as client:
            content = (samples / "7-mnist.png").read_bytes()
            answer = client.post(f"{server.url}/predict", content=content)
            assert answer.json()["digit"] == 7


def test_health_does_not_wait_behind_pictures() -> None:
    from PIL import Image

    file = io.BytesIO()
    Image.effect_noise((5_000, 5_000), 90).save(file, "PNG")  # takes a worker half a second
    with serving("--workers", "1", "--max-body", "64", "--timeout", "120") as server:
        answered: list[int] = []

        def predict() -> None:
            with server.client() as client:
                files = [("f", ("a.png", file.getvalue()))] * 2
                answered.append(client.post("/predict", files=files).status_code)

        thread = threading.Thread(target=predict)
        thread.start()
        with server.client() as client:
            while thread.is_alive():
                assert client.get("/health").json() == {"status": "ok"}
                if "busy_requests 1" in client.get("/metrics").text:
                    assert not answered  # the health was answered while pictures were worked on
                    break
        thread.join()
        assert answered == [200]
