"""What is said beside the results."""

from __future__ import annotations

import sys

__all__ = ["say"]


def say(message: str) -> None:
    """A line on stderr."""
    print(message, file=sys.stderr)
