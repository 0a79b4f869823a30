"""Names of pictures that are URLs."""

from __future__ import annotations

__all__ = ["is_url", "local_path"]


def is_url(name: str) -> bool:
    """Whether this is a URL, and no path of the disk."""
    return "://" in name


def local_path(url: str) -> str | None:
    """The path that a ``file://`` URL stands for; None where it is another URL."""
    from urllib.parse import unquote, urlsplit

    if not url.startswith("file://"):
        return None
    parts = urlsplit(url.replace("?", "%3F").replace("#", "%23"))
    return unquote(parts.path) if parts.netloc in ("", "localhost") else None
