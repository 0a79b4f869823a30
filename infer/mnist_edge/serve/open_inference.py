"""The Open Inference Protocol, version 2, as Triton's and KServe's clients speak it.

github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md; and Triton's
binary tensor extension: a JSON head of `Inference-Header-Content-Length` bytes, then raw tensors.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.requests import Request
from starlette.responses import Response

from mnist_edge import __version__
from mnist_edge.serve.api import Api, deadline
from mnist_edge.serve.pictures import Limits, Picture, read_body
from mnist_edge.serve.queries import PredictQuery
from mnist_edge.serve.responses import Json, RequestError
from mnist_edge.serve.rows import Rows
from mnist_edge.serve.workers import Workers
from mnist_edge.types import SIDE

__all__ = ["OpenInference"]

_HEAD = "Inference-Header-Content-Length"
_VERSION = "1"
_OUTPUTS = {"probabilities": "FP32", "digit": "INT64", "error": "BYTES"}
_MOST_IMAGES = 65_536


@dataclass(frozen=True)
class _Output:
    """A tensor of the response: `values` has the outermost dimension first."""

    name: str
    values: npt.NDArray[Any]
    is_binary: bool

    def described(self) -> dict[str, Any]:
        """As in the JSON head, with the data where they do not follow."""
        head: dict[str, Any] = {
            "name": self.name,
            "datatype": _OUTPUTS[self.name],
            "shape": list(self.values.shape),
        }
        if self.is_binary:
            return head | {"parameters": {"binary_data_size": len(self.binary())}}
        if self.values.dtype == object:
            return head | {"data": [value.decode() for value in self.values]}
        return head | {"data": self.values.ravel().tolist()}

    def binary(self) -> bytes:
        """The raw tensor, little endian; strings have their lengths before them."""
        if self.values.dtype == object:
            return b"".join(struct.pack("<I", len(value)) + value for value in self.values)
        return self.values.astype(self.values.dtype.newbyteorder("<")).tobytes()


class OpenInference:
    """Endpoints under ``/v2``.

    Args:
        api: whose readiness and time limit hold here too.
        rows: that pictures are answered with.
        workers: whose memory bodies take.
        limits: of requests.
        seconds: that a request may take to arrive.
    """

    def __init__(
        self, api: Api, rows: Rows, workers: Workers, limits: Limits, seconds: float
    ) -> None:
        self._api, self._rows, self._workers = api, rows, workers
        self._limits, self._seconds = limits, seconds
        model = rows.classifier.model
        self.name = model.metadata.get("name") or "mnist-edge"

    async def server(self, _: Request) -> Response:
        """Name, version and extensions of the server."""
        return Json(
            {"name": "mnist-edge", "version": __version__, "extensions": ["binary_tensor_data"]}
        )

    async def live(self, _: Request) -> Response:
        """Says that the server lives."""
        return Json({"live": True})

    async def ready(self, _: Request) -> Response:
        """Says whether the server takes requests."""
        return Json({"ready": self._api.is_ready}, 200 if self._api.is_ready else 503)

    async def model_ready(self, request: Request) -> Response:
        """Says whether the model takes requests."""
        self._check_model(request)
        state = {"name": self.name, "ready": self._api.is_ready}
        return Json(state, 200 if self._api.is_ready else 503)

    async def model(self, request: Request) -> Response:
        """The model's inputs, of which a request has one, and its outputs."""
        self._check_model(request)
        classes = len(self._rows.classifier.model.labels)
        shapes = {"probabilities": [-1, classes], "digit": [-1], "error": [-1]}
        return Json(
            {
                "name": self.name,
                "versions": [_VERSION],
                "platform": "onnxruntime_onnx",
                "inputs": [
                    {"name": "image", "datatype": "UINT8", "shape": [-1, 1, SIDE, SIDE]},
                    {"name": "picture", "datatype": "BYTES", "shape": [-1]},
                ],
                "outputs": [
                    {"name": name, "datatype": kind, "shape": shapes[name]}
                    for name, kind in _OUTPUTS.items()
                ],
            }
        )

    async def infer(self, request: Request) -> Response:
        """Probabilities of images in MNIST's form, or of pictures of any kind."""
        self._check_model(request)
        with self._workers.held_bytes() as hold:
            async with deadline(self._seconds, 408, "the request took too long to arrive"):
                body = await read_body(request, self._limits.body, hold)
            work = functools.partial(self._inferred, body, request.headers.get(_HEAD))
            head, tensors = await self._api.worked(work)
        if not tensors:
            return Json(head)
        text = json.dumps(head).encode()
        return Response(
            text + b"".join(tensors),
            media_type="application/octet-stream",
            headers={_HEAD: str(len(text))},
        )

    def _check_model(self, request: Request) -> None:
        name, version = request.path_params["name"], request.path_params.get("version", _VERSION)
        if name != self.name or version != _VERSION:
            raise RequestError(404, f"no such model; there is {self.name}, version {_VERSION}")

    def _inferred(self, body: bytes, head_length: str | None) -> tuple[dict[str, Any], list[bytes]]:
        """The head of the response, and the raw tensors that follow it."""
        head, raw = _split(body, head_length)
        tensor = _one_input(head)
        wanted = _wanted_outputs(head)
        content = _content(tensor, raw)
        values = self._values(content)
        outputs = [_Output(name, values[name], binary) for name, binary in wanted.items()]
        answer: dict[str, Any] = {"model_name": self.name, "model_version": _VERSION}
        if isinstance(head.get("id"), str):
            answer["id"] = head["id"]
        answer["outputs"] = [output.described() for output in outputs]
        return answer, [output.binary() for output in outputs if output.is_binary]

    def _values(self, content: npt.NDArray[np.uint8] | list[bytes]) -> dict[str, npt.NDArray[Any]]:
        if isinstance(content, list):
            return self._of_pictures(content)
        classifier = self._rows.classifier
        probabilities = classifier.model.run(content)
        digits = probabilities.argmax(axis=1).astype(np.int64)
        errors = np.full(len(digits), b"", object)
        for place in np.flatnonzero(probabilities.max(axis=1) < classifier.min_confidence):
            digits[place], errors[place] = -1, b"unsure"
        return {"probabilities": probabilities, "digit": digits, "error": errors}

    def _of_pictures(self, contents: list[bytes]) -> dict[str, npt.NDArray[Any]]:
        if len(contents) > self._limits.pictures:
            raise RequestError(413, f"picture: more than {self._limits.pictures} in a request")
        pictures = [Picture(str(place), content) for place, content in enumerate(contents)]
        rows = [row.content for row in self._rows.predict(PredictQuery(1, None, False), pictures)]
        nothing = [0.0] * len(self._rows.classifier.model.labels)
        return {
            "probabilities": np.array([row["probabilities"] or nothing for row in rows], "f4"),
            "digit": np.array(
                [-1 if row["digit"] is None else row["digit"] for row in rows], np.int64
            ),
            "error": np.array([(row["error"] or "").encode() for row in rows], object),
        }


def _split(body: bytes, head_length: str | None) -> tuple[dict[str, Any], bytes]:
    length = len(body)
    if head_length is not None:
        if not head_length.isdecimal() or int(head_length) > len(body):
            raise RequestError(400, f"{_HEAD}: is no length within the body")
        length = int(head_length)
    try:
        head = json.loads(body[:length])
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "the body is not JSON") from error
    if not isinstance(head, dict):
        raise RequestError(400, "the body is no JSON object")
    return head, body[length:]


def _one_input(head: dict[str, Any]) -> dict[str, Any]:
    inputs = head.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise RequestError(400, "inputs: give one, image or picture")
    tensor: dict[str, Any] = inputs[0]
    kinds = {"image": "UINT8", "picture": "BYTES"}
    name = tensor.get("name")
    if not isinstance(name, str) or tensor.get("datatype") != kinds.get(name):
        raise RequestError(400, "inputs: give image of UINT8, or picture of BYTES")
    inner = [1, SIDE, SIDE] if name == "image" else []
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not shape or shape[1:] != inner or type(shape[0]) is not int:
        raise RequestError(400, f"{name}: its shape must be {['n', *inner]}")
    if not 1 <= shape[0] <= _MOST_IMAGES:
        raise RequestError(400, f"{name}: n must be from 1 to {_MOST_IMAGES}")
    return tensor


def _wanted_outputs(head: dict[str, Any]) -> dict[str, bool]:
    """Names of the outputs that are asked for, and whether they are sent raw."""
    parameters = head.get("parameters", {})
    is_binary = isinstance(parameters, dict) and parameters.get("binary_data_output") is True
    asked = head.get("outputs") or [{"name": name} for name in _OUTPUTS]
    wanted: dict[str, bool] = {}
    for output in asked if isinstance(asked, list) else [None]:
        name = output.get("name") if isinstance(output, dict) else None
        if not isinstance(output, dict) or not isinstance(name, str) or name not in _OUTPUTS:
            raise RequestError(400, f"outputs: there are {', '.join(_OUTPUTS)}")
        own = output.get("parameters", {})
        wanted[name] = bool(own.get("binary_data", is_binary)) if isinstance(own, dict) else False
    return wanted


def _content(tensor: dict[str, Any], raw: bytes) -> npt.NDArray[np.uint8] | list[bytes]:
    """Images uint8 ``[n, 28, 28]``, or files of pictures."""
    count = tensor["shape"][0]
    parameters = tensor.get("parameters", {})
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None and size != len(raw):
        raise RequestError(400, f"{tensor['name']}: binary_data_size is not what follows the head")
    if tensor["name"] == "picture":
        files = list(_strings(raw) if size is not None else _decoded(tensor.get("data")))
        if len(files) != count:
            raise RequestError(400, f"picture: {len(files)} in place of {count}")
        return files
    values = raw if size is not None else _levels(tensor.get("data"))
    if len(values) != count * SIDE * SIDE:
        raise RequestError(400, f"image: {len(values)} levels in place of {count * SIDE * SIDE}")
    return np.frombuffer(values, np.uint8).reshape(count, SIDE, SIDE)


def _levels(data: object) -> bytes:
    """Levels of a flat or nested list."""
    try:
        levels = np.array(data)
    except ValueError as error:
        raise RequestError(400, "image: data must be levels") from error
    if levels.dtype.kind not in "iu" or levels.size == 0:
        raise RequestError(400, "image: data must be whole levels from 0 to 255")
    if levels.min() < 0 or levels.max() > 255:
        raise RequestError(400, "image: data must be whole levels from 0 to 255")
    return levels.astype(np.uint8).tobytes()


def _decoded(data: object) -> Iterator[bytes]:
    """Files from base64."""
    for text in data if isinstance(data, Sequence) and not isinstance(data, str) else [None]:
        try:
            yield base64.b64decode(text, validate=True)  # type: ignore[arg-type]
        except (binascii.Error, TypeError, ValueError) as error:
            raise RequestError(400, "picture: data must be base64 of files") from error


def _strings(raw: bytes) -> Iterator[bytes]:
    """Files, each after its length in four bytes."""
    place = 0
    while place < len(raw):
        size = int.from_bytes(raw[place : place + 4], "little")
        place += 4 + size
        if place > len(raw) or place < 4 + size:
            raise RequestError(400, "picture: a length leads beyond the end")
        yield raw[place - size : place]
