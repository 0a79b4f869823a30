"""Every option of `mnist-edge serve`, once: its name, type, default, range and help."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mnist_edge.errors import UsageError
from mnist_edge.options import option

__all__ = ["TOKEN_VARIABLE", "ServeOptions", "is_loopback"]

TOKEN_VARIABLE = "MNIST_EDGE_TOKEN"
"""Environment variable of the token: other users of the machine see command lines."""


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class ServeOptions:
    """Options of `serve`; each field's `Option` says what it means.

    Raises:
        UsageError: the options contradict one another.
    """

    host: str = option("127.0.0.1", "Address to listen on.", metavar="ADDRESS", panel="Address")
    port: int = option(
        8000, "Port; 0 = any free one.", metavar="N", minimum=0, maximum=65535, panel="Address"
    )
    cert: Path | None = option(None, "Certificate for HTTPS, PEM.", metavar="FILE", panel="Address")
    key: Path | None = option(None, "Its private key, PEM.", metavar="FILE", panel="Address")
    token: str | None = option(
        None,
        "Clients must send it (Authorization: Bearer TOKEN).",
        metavar="TOKEN",
        shown_default=f"${TOKEN_VARIABLE}",
        panel="Access",
    )
    no_token: bool = option(
        False, "Serve whoever can reach the address.", "--no-token", panel="Access"
    )
    allow_host: list[str] | None = option(
        None,
        "A further name of this machine that browsers may use.",
        metavar="NAME",
        panel="Access",
    )
    allow_origin: list[str] | None = option(
        None,
        "A web page's origin that may call from a browser.",
        metavar="ORIGIN",
        panel="Access",
    )
    model: str | None = option(
        None,
        "An .onnx file, or the name of a bundled model.",
        metavar="MODEL",
        shown_default="mnist-edge-int8",
        panel="Prediction",
    )
    min_confidence: float | None = option(
        None,
        "Reject predictions below this confidence.",
        metavar="FLOAT",
        minimum=0,
        maximum=1,
        shown_default="the model's threshold",
        panel="Prediction",
    )
    threads: int = option(
        1,
        "CPU threads for the network.",
        metavar="N",
        minimum=1,
        maximum=256,
        panel="Prediction",
    )
    workers: int | None = option(
        None,
        "Pictures that are worked on at once.",
        metavar="N",
        minimum=1,
        maximum=64,
        shown_default="one per core",
        panel="Limits",
    )
    max_body: int = option(
        16, "MiB of a request.", metavar="MIB", minimum=1, maximum=1024, panel="Limits"
    )
    max_pixels: int = option(
        50, "Million pixels of a picture.", metavar="N", minimum=1, maximum=1000, panel="Limits"
    )
    max_pictures: int = option(
        64, "Pictures of a request.", metavar="N", minimum=1, maximum=100_000, panel="Limits"
    )
    max_waiting: int = option(
        32,
        "Requests that may wait; further ones get 503.",
        metavar="N",
        minimum=0,
        maximum=10_000,
        panel="Limits",
    )
    timeout: float = option(
        30.0, "Seconds for a request.", metavar="SECONDS", minimum=0.1, panel="Limits"
    )
    idle_timeout: int = option(
        15,
        "Seconds that a connection may wait for a request.",
        metavar="SECONDS",
        minimum=1,
        maximum=3600,
        panel="Limits",
    )

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise UsageError("--cert and --key: give both, or neither")
        if self.token is not None and self.no_token:
            raise UsageError("--token and --no-token: give one of them")
        if self.token is not None and not self.token:
            raise UsageError("--token: is empty")
        if not is_loopback(self.host) and self.secret is None and not self.no_token:
            raise UsageError(
                f"--host {self.host}: others can reach it; protect it with --token TOKEN, or serve "
                "everybody with --no-token"
            )

    @property
    def secret(self) -> str | None:
        """The token that clients must send; None = there is none."""
        if self.no_token:
            return None
        return self.token or os.environ.get(TOKEN_VARIABLE) or None

    @property
    def origins(self) -> Sequence[str]:
        """Origins of web pages that may call."""
        return tuple(origin.rstrip("/") for origin in self.allow_origin or ())
