"""Runs the application: sockets, time-outs of connections, signals, and what is printed."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import sys
from collections.abc import Callable

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from mnist_edge.errors import UsageError
from mnist_edge.serve.addresses import address_lines
from mnist_edge.serve.serve_options import ServeOptions

__all__ = ["serve"]

_GRACE = 4
"""Seconds for requests that are being worked on when the server is to end."""

_LONGEST_HEAD = 32_768
"""Bytes of a request's line and headers."""


class _TimedProtocol(H11Protocol):
    """Closes a connection that brings no whole request for `timeout_keep_alive` seconds.

    uvicorn itself waits for ever for the first one, and for one that has begun.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """As uvicorn's, in JSON, and with the status of what is wrong; `msg` never says."""
        del msg
        error = sys.exception()
        is_long = isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 431
        status, message = (431, "the headers are too long") if is_long else (400, "this is no HTTP")
        content = json.dumps({"error": message}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=content),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def serve(app: ASGIApp, options: ServeOptions, log: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM, and then answers what it has taken.

    Args:
        app: the application.
        options: of the command.
        log: called with lines for the user.

    Raises:
        UsageError: the address cannot be listened on, or the certificate cannot be read.
    """
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=_TimedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=options.idle_timeout,
        timeout_graceful_shutdown=_GRACE,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
        ssl_certfile=options.cert,
        ssl_keyfile=options.key,
    )
    listener = _listen(options)
    try:
        config.load()  # reads the certificate
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"--cert {options.cert}, --key {options.key}: {error}") from error
    for line in address_lines(options, listener.getsockname()[1]):
        log(line)
    # uvicorn raises the signal again after its end, which is no failure here.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    uvicorn.Server(config).run(sockets=[listener])


def _listen(options: ServeOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # Named, the protocol lets asyncio switch Nagle's algorithm off: 40 ms for each answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"--host {options.host} --port {options.port}: cannot listen there ({reason})"
        ) from error
    listener.listen(128)
    return listener
