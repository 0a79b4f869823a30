"""SHA-256 by the interpreter's own code.

`hashlib` prefers OpenSSL's, and loads all of it: 4 MiB and some milliseconds for the one sum that
an answer needs.
"""

from __future__ import annotations

import importlib

__all__ = ["sha256"]


def sha256(content: bytes) -> str:
    """Hexadecimal digest."""
    # Its name changed in Python 3.12; where there is neither, there is always hashlib.
    for name in ("_sha2", "_sha256", "hashlib"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        return str(module.sha256(content).hexdigest())
    raise AssertionError("hashlib is in every Python")
