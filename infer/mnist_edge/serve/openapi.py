"""The description of the interface: OpenAPI 3.1, of the schemas that the rows are held to."""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import Any

from mnist_edge import __version__
from mnist_edge.types import SIDE

__all__ = ["document"]

Schema = dict[str, Any]

_ERRORS = {
    "400": "The request makes no sense; the error says why.",
    "401": "The token is missing or wrong.",
    "403": "A web page of another origin may not call.",
    "408": "The request took too long to arrive.",
    "413": "The body is too large, or has too many pictures.",
    "415": "The body is compressed, or no picture.",
    "421": "The Host header names another machine.",
    "500": "The model failed.",
    "503": "Too many requests are waiting, or this one took too long.",
}


@functools.cache
def document() -> Schema:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mnist-edge",
            "version": __version__,
            "description": "Predicts the digit, or reads the numbers, on pictures.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": _paths(),
        "components": {
            "schemas": {
                "Prediction": _prediction(),
                "Reading": _stored("reading"),
                "Error": _object({"error": {"type": "string"}}),
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _paths() -> Schema:
    name = _parameter("name", {"type": "string"}, "The model's name.", place="path")
    version = _parameter("version", {"type": "string"}, "The model's version.", place="path")
    ready = _object({"name": {"type": "string"}, "ready": {"type": "boolean"}}, ["ready"])
    paths: Schema = {
        "/": {"get": _operation("The page to draw on.", {"type": "string"}, media="text/html")},
        "/predict": {"post": _pictures("Predict one digit of each picture.", "Prediction")},
        "/read": {"post": _pictures("Read every number of each picture.", "Reading")},
        "/model": {"get": _operation("The model's metadata, and facts of its file.", _model())},
        "/health": {"get": _operation("The server lives, however busy it is.", _status("ok"))},
        "/ready": {"get": _operation("The server takes requests.", _status("ready"))},
        "/metrics": {
            "get": _operation(
                "Counters, in Prometheus' text format.", {"type": "string"}, media="text/plain"
            )
        },
        "/openapi.json": {"get": _operation("This description.", {"type": "object"})},
        "/v2": {"get": _operation("Name and version of the server.", _server())},
        "/v2/health/live": {
            "get": _operation("The server lives.", _object({"live": {"const": True}}))
        },
        "/v2/health/ready": {"get": _operation("The server takes requests.", ready)},
    }
    for path, parameters in (
        ("/v2/models/{name}", [name]),
        ("/v2/models/{name}/versions/{version}", [name, version]),
    ):
        operations = {
            path: {"get": _operation("The model's inputs and outputs.", _v2_model())},
            f"{path}/ready": {"get": _operation("The model takes requests.", ready)},
            f"{path}/infer": {"post": _infer()},
        }
        for operation in operations.values():
            operation["parameters"] = parameters  # type: ignore[assignment]
        paths |= operations
    return paths


def _pictures(summary: str, row: str) -> Schema:
    reference = {"$ref": f"#/components/schemas/{row}"}
    operation = _operation(
        summary, {"oneOf": [reference, {"type": "array", "items": reference, "minItems": 1}]}
    )
    operation["responses"]["415"]["content"]["application/json"]["schema"] = {
        "anyOf": [reference, {"$ref": "#/components/schemas/Error"}]
    }
    operation["description"] = (
        "The body is one picture, and the response one row; or a form of files, and the response "
        "an array of rows, in their order. A picture without an answer is a row with its error."
    )
    operation["parameters"] = _PARAMETERS[row]
    form = {
        "type": "object",
        "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
    }
    operation["requestBody"] = {
        "required": True,
        "content": {"application/octet-stream": {}, "multipart/form-data": {"schema": form}},
    }
    return operation


def _parameter(name: str, schema: Schema, text: str, place: str = "query") -> Schema:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "schema": schema,
        "description": text,
    }


_THRESHOLD = _parameter(
    "min_confidence",
    {"type": "number", "minimum": 0, "maximum": 1},
    "Reject what is less confident.",
)

_PARAMETERS = {
    "Prediction": [
        _parameter(
            "top_k",
            {"type": "integer", "minimum": 1, "maximum": 1000, "default": 1},
            "Classes to list.",
        ),
        _THRESHOLD,
        _parameter(
            "preprocessed",
            {"type": "boolean", "default": False},
            "Add what the network saw, 28 x 28: a PNG in base64.",
        ),
    ],
    "Reading": [
        _parameter("length", {"type": "string"}, "Digits of a number: 5, or 2-8."),
        _parameter("pattern", {"type": "string"}, "Regular expression of a number."),
        _parameter(
            "choices",
            {"type": "array", "items": {"type": "string"}, "maxItems": 1000},
            "All possible numbers.",
        ),
        _THRESHOLD,
        _parameter(
            "alternatives",
            {"type": "integer", "minimum": 0, "maximum": 20, "default": 3},
            "Further readings of each number.",
        ),
    ],
}


def _operation(summary: str, schema: Schema, media: str = "application/json") -> Schema:
    responses: Schema = {
        "200": {"description": "OK", "content": {media: {"schema": schema}}},
    }
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for status, text in {**_ERRORS, "404": "There is no such model or path."}.items():
        responses[status] = {"description": text, "content": error}
    return {"summary": summary, "responses": responses}


def _infer() -> Schema:
    tensor = {
        "oneOf": [
            _tensor("image", "UINT8", [1, SIDE, SIDE], {"type": "integer"}),
            _tensor("picture", "BYTES", [], {"type": "string", "contentEncoding": "base64"}),
        ]
    }
    request = {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "inputs": {"type": "array", "items": tensor, "minItems": 1, "maxItems": 1},
        },
    }
    output = _object(
        {
            "name": {"enum": ["probabilities", "digit", "error"]},
            "datatype": {"enum": ["FP32", "INT64", "BYTES"]},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "data": {"type": "array"},
        },
        ["name", "datatype", "shape"],
    )
    answer = _object(
        {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "outputs": {"type": "array", "items": output},
        },
        ["model_name", "outputs"],
    )
    operation = _operation(
        f"Infer from images [n, 1, {SIDE}, {SIDE}] of UINT8, or pictures of BYTES in base64.",
        answer,
    )
    operation["description"] = (
        "Open Inference Protocol, version 2, with Triton's extension for binary tensors."
    )
    operation["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": request}},
    }
    return operation


def _tensor(name: str, kind: str, inner: list[int], item: Schema) -> Schema:
    """An input; `inner` are the dimensions of one picture."""
    shape = [{"type": "integer", "minimum": 1}, *({"const": side} for side in inner)]
    return _object(
        {
            "name": {"const": name},
            "datatype": {"const": kind},
            "shape": {
                "type": "array",
                "prefixItems": shape,
                "minItems": len(shape),
                "maxItems": len(shape),
            },
            "data": {"type": "array", "items": item},
        },
        ["name", "datatype", "shape"],
    )


def _v2_model() -> Schema:
    tensors = {
        "type": "array",
        "items": _object(
            {
                "name": {"type": "string"},
                "datatype": {"type": "string"},
                "shape": {"type": "array", "items": {"type": "integer"}},
            }
        ),
    }
    return _object(
        {
            "name": {"type": "string"},
            "versions": {"type": "array", "items": {"type": "string"}},
            "platform": {"type": "string"},
            "inputs": tensors,
            "outputs": tensors,
        }
    )


def _server() -> Schema:
    texts = {"type": "array", "items": {"type": "string"}}
    return _object({"name": {"type": "string"}, "version": {"type": "string"}, "extensions": texts})


def _model() -> Schema:
    return _object(
        {
            "model": {"type": "object", "additionalProperties": {"type": "string"}},
            "file": _object(
                {
                    "name": {"type": "string"},
                    "bytes": {"type": "integer"},
                    "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                    "labels": {"type": "array", "items": {"type": "string"}},
                }
            ),
        }
    )


def _status(value: str) -> Schema:
    return _object({"status": {"const": value}})


def _object(properties: Schema, required: list[str] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties) if required is None else required,
    }


def _prediction() -> Schema:
    schema = _stored("prediction")
    schema["properties"]["preprocessed"] = {
        "description": "With preprocessed=true: what the network saw, a PNG in base64.",
        "type": ["string", "null"],
        "contentEncoding": "base64",
        "contentMediaType": "image/png",
    }
    return schema


def _stored(name: str) -> Schema:
    """A schema of rows, whose references are made those of the whole description."""
    text = (files("mnist_edge.outputs") / f"{name}.schema.json").read_text(encoding="utf-8")
    own = f"#/components/schemas/{name.capitalize()}/$defs/"
    schema: Schema = json.loads(text.replace("#/$defs/", own))
    del schema["$schema"]
    return schema
