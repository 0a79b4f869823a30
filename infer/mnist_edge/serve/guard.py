"""What every request passes before it reaches an endpoint, and every response after it.

Names of hosts are checked against DNS rebinding: a page of somebody else's may let its own name
lead to this machine, and would then read the answers. Origins are checked, since a browser sends a
simple POST from any page without asking.
"""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mnist_edge.serve.metrics import Metrics
from mnist_edge.serve.responses import RequestError

__all__ = ["Access", "Guard"]

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class Access(NamedTuple):
    """Who may ask for what.

    Attributes:
        hosts: names that this machine goes by, beside its addresses.
        origins: of web pages that may call.
        token: that clients must send; None = none.
        open_paths: that need no token.
    """

    hosts: Collection[str]
    origins: Collection[str]
    token: str | None
    open_paths: Collection[str]

    def check(self, scope: Scope) -> None:
        """Raises RequestError where a request may not be answered."""
        headers = Headers(scope=scope)
        host = headers.get("Host", "")
        if not self._is_ours(host):
            raise RequestError(
                421, "Host: this server has no such name; add it with --allow-host, or use its IP"
            )
        origin = headers.get("Origin")
        if origin is not None and scope["method"] != "OPTIONS":
            is_own = origin.partition("://")[2].lower() == host.lower()
            if not is_own and origin not in self.origins:
                raise RequestError(
                    403, "Origin: this page may not call; add it with --allow-origin"
                )
        is_free = scope["path"] in self.open_paths or scope["method"] == "OPTIONS"
        if self.token is not None and not is_free and not self._is_token(headers):
            raise RequestError(
                401,
                "a token is needed: send Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )

    def _is_ours(self, host: str) -> bool:
        name = _without_port(host).lower().rstrip(".")
        if name in self.hosts:
            return True
        try:  # an address cannot be rebound
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _is_token(self, headers: Headers) -> bool:
        assert self.token is not None
        kind, _, sent = headers.get("Authorization", "").partition(" ")
        # In constant time: how long a comparison takes would tell how much is right.
        is_same = hmac.compare_digest(sent.strip().encode(), self.token.encode())
        return is_same and kind.lower() == "bearer"


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


class Guard:
    """Checks requests, times and counts them, and adds headers to responses.

    Args:
        app: what it guards.
        access: who may ask for what.
        metrics: that count.
        paths: of routes by their endpoints, for the metrics.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        metrics: Metrics,
        paths: Mapping[Callable[..., Any], str],
    ) -> None:
        self._app, self._access, self._metrics, self._paths = app, access, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As of ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        received = status = 0

        async def count_received() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def complete(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                milliseconds = 1e3 * (time.perf_counter() - started)
                timing = (b"server-timing", b"total;dur=%.2f" % milliseconds)
                message["headers"] = [*message["headers"], *_HEADERS, timing]
            await send(message)

        try:
            try:
                self._access.check(scope)
                await self._app(scope, count_received, complete)
            except RequestError as error:
                if not status:
                    await error.response()(scope, count_received, complete)
        except ClientDisconnect:
            status = 499  # as nginx counts it: nobody is there to be answered
        finally:
            path = self._paths.get(scope.get("endpoint"), "other")  # type: ignore[arg-type]
            seconds = time.perf_counter() - started
            self._metrics.add_request(path, status or 500, seconds, received)
