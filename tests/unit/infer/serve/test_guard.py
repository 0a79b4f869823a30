"""Who may call, and what the headers say to browsers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mnist_edge.errors import UsageError
from mnist_edge.serve.page import page, policy
from mnist_edge.serve.serve_options import TOKEN_VARIABLE, ServeOptions
from tests.conftest import Cli, one_line_error
from tests.unit.infer.serve.conftest import Served, serving

TOKEN = "correct horse"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Served]:
    with serving(
        "--token", TOKEN, "--allow-origin", "https://page.example", "--allow-host", "pi.example"
    ) as server:
        yield server


def test_foreign_names_of_this_machine_are_refused(client: httpx.Client) -> None:
    """DNS rebinding: the attacker's name leads here, and only the Host header shows it."""
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost.evil"):
        response = client.get("/model", headers={"Host": host})
        assert response.status_code == 421, host
        assert "--allow-host" in response.json()["error"]


def test_own_names_and_addresses_are_served(client: httpx.Client) -> None:
    for host in ("localhost", "LOCALHOST:8000", "127.0.0.1", "192.168.1.7:8000", "[::1]:8000"):
        assert client.get("/model", headers={"Host": host}).status_code == 200, host


def test_pages_of_others_may_not_call(client: httpx.Client, samples: Path) -> None:
    content = (samples / "7-mnist.png").read_bytes()
    own = {"Origin": str(client.base_url).rstrip("/")}
    assert client.post("/predict", content=content, headers=own).status_code == 200
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        response = client.post("/predict", content=content, headers={"Origin": origin})
        assert response.status_code == 403, origin
        assert "access-control-allow-origin" not in response.headers


def test_no_answer_without_the_token(guarded: Served) -> None:
    with guarded.client() as client:
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": TOKEN},
            {"Authorization": "Bearer"},
        ):
            for path in ("/model", "/metrics", "/openapi.json", "/v2", "/v2/models/x", "/nothing"):
                response = client.get(path, headers=headers)
                assert response.status_code == 401, (headers, path)
                assert response.headers["WWW-Authenticate"] == "Bearer"
            assert client.post("/predict", content=b"x", headers=headers).status_code == 401
        for path in ("/", "/health", "/ready", "/v2/health/live", "/v2/health/ready"):
            assert client.get(path).status_code == 200, path
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get("/model", headers=right).status_code == 200


def test_allowed_names_and_origins(guarded: Served, samples: Path) -> None:
    right = {"Authorization": f"Bearer {TOKEN}"}
    with guarded.client() as client:
        assert client.get("/model", headers=right | {"Host": "pi.example"}).status_code == 200
        preflight = client.options(
            "/predict",
            headers={
                "Origin": "https://page.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization",
            },
        )
        assert preflight.headers["Access-Control-Allow-Origin"] == "https://page.example"
        assert "access-control-allow-credentials" not in preflight.headers
        response = client.post(
            "/predict",
            content=(samples / "7-mnist.png").read_bytes(),
            headers=right | {"Origin": "https://page.example"},
        )
        assert response.json()["digit"] == 7
        assert response.headers["Access-Control-Allow-Origin"] == "https://page.example"
        foreign = client.options(
            "/predict",
            headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
        )
        assert "access-control-allow-origin" not in foreign.headers


def test_token_from_the_environment() -> None:
    with (
        serving(variables={TOKEN_VARIABLE: TOKEN}) as server,
        server.client() as client,
    ):
        assert client.get("/model").status_code == 401
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get("/model", headers=right).status_code == 200


def test_other_addresses_need_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    for host in ("0.0.0.0", "::", "192.168.1.7", "pi.local"):
        with pytest.raises(UsageError, match="--token"):
            ServeOptions(host=host)
        ServeOptions(host=host, no_token=True)
        ServeOptions(host=host, token=TOKEN)
    for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        ServeOptions(host=host)


@pytest.mark.parametrize(
    "options",
    [
        ("--host", "0.0.0.0"),
        ("--token", "x", "--no-token"),
        ("--token", ""),
        ("--cert", "a.pem"),
        ("--cert", "a.pem", "--key", "a.pem"),
        ("--host", "no.such.host.invalid", "--no-token"),
        ("--model", "nothing"),
        ("--port", "70000"),
    ],
)
def test_what_cannot_be_served_ends_at_once(options: tuple[str, ...], cli: Cli) -> None:
    done = cli("serve", "--port", "0", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_taken_port_is_an_error(served: Served, cli: Cli) -> None:
    done = cli("serve", "--port", str(served.port))
    assert "cannot listen" in one_line_error(done, 2)


def test_responses_say_little_and_forbid_much(client: httpx.Client) -> None:
    for path in ("/", "/health", "/nothing"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "server" not in headers
        assert re.fullmatch(r"total;dur=\d+\.\d\d", headers["Server-Timing"])
    content_policy = client.get("/").headers["Content-Security-Policy"]
    assert "unsafe" not in content_policy
    assert "default-src 'none'" in content_policy


def test_policy_changes_with_the_page() -> None:
    html = page()
    assert policy(html) == policy(html)
    assert policy(html + "<script>alert(1)</script>") != policy(html)


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/page.html"]
)
def test_no_path_leads_to_files(path: str, client: httpx.Client) -> None:
    response = client.get(httpx.URL(str(client.base_url), raw_path=path.encode()))
    assert response.status_code == 404
    assert response.json() == {"error": "no such path; see /openapi.json"}
