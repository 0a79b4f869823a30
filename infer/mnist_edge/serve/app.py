"""The application: routes, limits, and who may call."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mnist_edge.batch.worker_pool import available_cores
from mnist_edge.classifier import DigitClassifier
from mnist_edge.serve.api import Api
from mnist_edge.serve.guard import Access, Guard
from mnist_edge.serve.metrics import Metrics
from mnist_edge.serve.open_inference import OpenInference
from mnist_edge.serve.pictures import Limits
from mnist_edge.serve.responses import RequestError
from mnist_edge.serve.rows import Rows
from mnist_edge.serve.serve_options import ServeOptions
from mnist_edge.serve.workers import Workers
from mnist_edge.types import SIDE

__all__ = ["create_app"]

_OPEN_PATHS = ("/", "/health", "/ready", "/v2/health/live", "/v2/health/ready", "/favicon.ico")
"""They say nothing of pictures or answers, and neither browsers nor orchestrators send tokens."""

_BODIES = 4
"""Bodies of the largest size that are held at once."""


def create_app(options: ServeOptions, classifier: DigitClassifier) -> Starlette:
    """Makes the application, for any ASGI server.

    Args:
        options: of the command.
        classifier: that predicts; it has once when this returns.

    Raises:
        ModelError: its model fails.
    """
    classifier.model.run(np.zeros((1, SIDE, SIDE), np.uint8))
    limits = Limits(options.max_body << 20, options.max_pictures, options.max_pixels * 1_000_000)
    metrics = Metrics()
    workers = Workers(
        options.workers or available_cores(), options.max_waiting, _BODIES * limits.body
    )
    rows = Rows(classifier, limits.pixels, metrics)
    api = Api(rows, workers, metrics, limits, options.timeout)
    inference = OpenInference(api, rows, workers, limits, options.timeout)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        api.is_ready = True
        yield
        api.is_ready = False
        workers.close()

    routes = _routes(api, inference)
    access = Access(_names(options), options.origins, options.secret, _OPEN_PATHS)
    paths = {route.endpoint: route.path for route in routes}
    middleware = [Middleware(Guard, access=access, metrics=metrics, paths=paths)]
    if options.origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=options.origins,
                allow_methods=["GET", "POST"],
                allow_headers=["Authorization", "Content-Type"],
                expose_headers=["Server-Timing"],
            )
        )
    return Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers={HTTPException: _of_starlette},
        lifespan=lifespan,
    )


def _routes(api: Api, inference: OpenInference) -> list[Route]:
    def get(path: str, endpoint: Any) -> Route:
        return Route(path, endpoint, methods=["GET"])

    def post(path: str, endpoint: Any) -> Route:
        return Route(path, endpoint, methods=["POST"])

    model = "/v2/models/{name}"
    version = f"{model}/versions/{{version}}"
    return [
        get("/", api.page),
        post("/predict", api.predict),
        post("/read", api.read),
        get("/model", api.model),
        get("/health", api.health),
        get("/ready", api.ready),
        get("/metrics", api.metrics),
        get("/openapi.json", api.openapi),
        get("/v2", inference.server),
        get("/v2/health/live", inference.live),
        get("/v2/health/ready", inference.ready),
        # The longer paths first: the metrics call an endpoint by its last one.
        get(version, inference.model),
        get(f"{version}/ready", inference.model_ready),
        post(f"{version}/infer", inference.infer),
        get(model, inference.model),
        get(f"{model}/ready", inference.model_ready),
        post(f"{model}/infer", inference.infer),
    ]


def _names(options: ServeOptions) -> set[str]:
    """Names by which browsers may know this machine, in lower case."""
    own = socket.gethostname().lower()
    names = {"localhost", own, f"{own.partition('.')[0]}.local", options.host.lower()}
    return names | {name.lower() for name in options.allow_host or ()}


async def _of_starlette(_: Request, error: Exception) -> Response:
    """Starlette's own errors, as JSON."""
    assert isinstance(error, HTTPException)
    reasons = {404: "no such path; see /openapi.json", 405: "this path has another method"}
    message = reasons.get(error.status_code, str(error.detail))
    return RequestError(error.status_code, message, error.headers).response()
