"""Limits of what is read, so that no input takes all memory: in bytes, since counts bound nothing.

With one worker, an input of at most 50 MB takes less than 400 MiB in all.
"""

from __future__ import annotations

__all__ = ["LARGEST_DECODED", "LARGEST_FILE"]

LARGEST_FILE = 128 << 20
"""Bytes of a picture's file, of an archive's member (unpacked), and of stdin, at most."""

LARGEST_DECODED = 192 << 20
"""Bytes that the decoded pixels of one picture may take at most."""
