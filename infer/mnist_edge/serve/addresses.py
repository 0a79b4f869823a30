"""Where the page can be opened: printed at the start, with a QR code for a phone."""

from __future__ import annotations

import io
import socket
import sys
from urllib.parse import quote

from mnist_edge.serve.serve_options import ServeOptions, is_loopback

__all__ = ["address_lines"]

_EVERYWHERE = ("0.0.0.0", "::", "")
_ELSEWHERE = "192.0.2.1"
"""An address for documentation (RFC 5737): nobody has it, and nothing is sent to it."""


def address_lines(options: ServeOptions, port: int) -> list[str]:
    """Lines for the user.

    Args:
        options: of the command.
        port: that is listened on.
    """
    host = _outer_address() if options.host in _EVERYWHERE else options.host
    shown = f"[{host}]" if ":" in host else host
    scheme = "http" if options.cert is None else "https"
    address = f"{scheme}://{shown}:{port}/"
    lines = [f"serving on {address} (Ctrl-C ends it)"]
    if is_loopback(host) or not sys.stderr.isatty():
        return lines
    # The token stands behind "#", which a browser keeps to itself.
    secret = options.secret
    return [*lines, *_qr_code(f"{address}#token={quote(secret)}" if secret else address)]


def _outer_address() -> str:
    """This machine's address in the network it would reach others by."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_ELSEWHERE, 9))  # of a datagram's socket: chooses a route, sends nothing
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def _qr_code(text: str) -> list[str]:
    import segno

    drawn = io.StringIO()
    segno.make(text, micro=False).terminal(drawn, border=2, compact=True)
    return drawn.getvalue().splitlines()
