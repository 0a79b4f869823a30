"""The page to draw on, and the policy that lets a browser run nothing but it."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

__all__ = ["page", "policy"]

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.S)


def page() -> str:
    """The page, one file of HTML."""
    return (files("mnist_edge.serve") / "page.html").read_text(encoding="utf-8")


def policy(html: str) -> str:
    """A Content-Security-Policy (W3C, level 3) of the scripts and styles that stand in a page."""
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    for kind, text in _INLINE.findall(html):
        digest = hashlib.sha256(text.encode()).digest()
        hashes[kind].append(f"'sha256-{base64.b64encode(digest).decode()}'")
    allowed = {kind: " ".join(values) or "'none'" for kind, values in hashes.items()}
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {allowed['script']}",
            f"style-src {allowed['style']}",
            "connect-src 'self'",
            "img-src 'self' blob: data:",
            "media-src 'self' blob: mediastream:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
