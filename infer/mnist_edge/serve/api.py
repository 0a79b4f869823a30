"""The endpoints: predictions, readings, the model, and how the server is."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from mnist_edge.errors import ModelError
from mnist_edge.serve.metrics import CONTENT_TYPE, Metrics
from mnist_edge.serve.openapi import document
from mnist_edge.serve.page import page, policy
from mnist_edge.serve.pictures import Limits, Picture, read_pictures
from mnist_edge.serve.queries import PredictQuery, ReadQuery
from mnist_edge.serve.responses import Json, RequestError
from mnist_edge.serve.rows import Row, Rows
from mnist_edge.serve.workers import Workers

__all__ = ["Api", "deadline"]


@contextlib.asynccontextmanager
async def deadline(seconds: float, status: int, message: str) -> AsyncIterator[None]:
    """Ends what takes too long; raises RequestError then."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise RequestError(status, message, {"Connection": "close"}) from error


@contextlib.contextmanager
def _model_failures() -> Iterator[None]:
    """Makes a RequestError of a ModelError."""
    try:
        yield
    except ModelError as error:
        raise RequestError(500, str(error)) from error


class Api:
    """Endpoints of Starlette; one object for the server's life.

    Args:
        rows: that are answered.
        workers: that make them.
        metrics: that count.
        limits: of requests.
        seconds: that a request may take to arrive, and again to be worked on.
    """

    def __init__(
        self, rows: Rows, workers: Workers, metrics: Metrics, limits: Limits, seconds: float
    ) -> None:
        self._rows, self._workers, self._metrics = rows, workers, metrics
        self._limits, self._seconds = limits, seconds
        self.is_ready = False

    async def predict(self, request: Request) -> Response:
        """One digit of each picture."""
        query = PredictQuery.parse(request.query_params)
        rows = self._rows
        at_once = functools.partial(rows.predict_at_once, query)
        return await self._answer(request, functools.partial(rows.predict, query), at_once)

    async def read(self, request: Request) -> Response:
        """Every number of each picture."""
        query = ReadQuery.parse(request.query_params)
        return await self._answer(request, functools.partial(self._rows.read, query))

    async def _answer(
        self,
        request: Request,
        work: Callable[[Sequence[Picture]], list[Row]],
        at_once: Callable[[Picture], list[Row] | None] = lambda _: None,
    ) -> Response:
        with self._workers.held_bytes() as hold:
            async with deadline(self._seconds, 408, "the request took too long to arrive"):
                pictures, is_form = await read_pictures(request, self._limits, hold)
            rows = None if is_form else self._at_once(at_once, pictures[0])
            rows = rows or await self.worked(functools.partial(work, pictures))
        if is_form:
            return Json([row.content for row in rows])
        # A body that is no picture is a wrong request; a picture without a digit is an answer.
        return Json(rows[0].content, 200 if rows[0].is_picture else 415)

    def _at_once(
        self, work: Callable[[Picture], list[Row] | None], picture: Picture
    ) -> list[Row] | None:
        """What `work` returns, without a thread; None where others wait for theirs already."""
        with _model_failures():
            return None if self._workers.is_full else work(picture)

    async def worked(self, work: Callable[[], Any]) -> Any:
        """What `work` returns, from a thread, in time; raises RequestError where there is none."""
        async with deadline(self._seconds, 503, "the pictures took too long; send fewer"):
            with _model_failures():
                return await self._workers.run(work)

    async def model(self, _: Request) -> Response:
        """The metadata of the model, and facts of its file."""
        model = self._rows.classifier.model
        file = {
            "name": model.name.rpartition("/")[2],
            "bytes": len(model.content),
            "sha256": model.sha256,
            "labels": list(model.labels),
        }
        return Json({"model": model.metadata, "file": file})

    async def health(self, _: Request) -> Response:
        """Says that the server lives, however busy it is."""
        return Json({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """Says whether the server takes requests: after its first prediction, until it is ended."""
        if not self.is_ready:
            raise RequestError(503, "not ready", {"Retry-After": "1"})
        return Json({"status": "ready"})

    async def metrics(self, _: Request) -> Response:
        """Counters, in Prometheus' format."""
        gauges = {
            "mnist_edge_busy_requests": (
                "Requests that are worked on, or wait.",
                float(self._workers.busy),
            ),
            "mnist_edge_held_bytes": ("Bytes of bodies in memory.", float(self._workers.held)),
        }
        return Response(self._metrics.text(gauges), media_type=CONTENT_TYPE)

    async def openapi(self, _: Request) -> Response:
        """This interface, described."""
        return Json(document())

    async def page(self, _: Request) -> Response:
        """The page to draw on."""
        html, content_policy = _page()
        return HTMLResponse(html, headers={"Content-Security-Policy": content_policy})


@functools.cache
def _page() -> tuple[str, str]:
    html = page()
    return html, policy(html)
