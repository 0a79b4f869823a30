"""Responses in JSON; and why a request is refused: a status and one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from mnist_edge.errors import one_line

__all__ = ["Json", "RequestError"]


class RequestError(Exception):
    """A request that gets no answer.

    Args:
        status: of HTTP.
        message: one line: what was wrong, and what to do.
        headers: of the response.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})

    def response(self) -> Response:
        """The response."""
        return Json({"error": one_line(str(self))}, self.status, self.headers)


class Json(Response):
    """JSON in ASCII: a file's name may hold halves of characters, which UTF-8 has no bytes for."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """As of Starlette."""
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
