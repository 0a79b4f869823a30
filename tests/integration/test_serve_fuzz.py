"""The server against requests made by machine from its own description."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.unit.infer.serve.conftest import Served, serving


@pytest.mark.slow
def test_no_request_of_the_description_breaks_the_server() -> None:
    """No 5xx, and no response that the description does not have.

    What the description cannot say (that bytes are a picture, how many levels belong to a shape) is
    refused: that a request which it allows is refused is no fault.
    """
    pytest.importorskip("schemathesis")
    with serving() as server:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"),
                *("--max-examples", "200", "--seed", "1", "--no-color"),
                *("--exclude-checks", "positive_data_acceptance"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert _answers(server)


def _answers(server: Served) -> bool:
    with server.client() as client:
        return client.get("/ready").status_code == 200
