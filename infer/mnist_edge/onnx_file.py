"""Checks the structure of an ONNX file before onnxruntime sees it, without an ONNX library.

An untrusted model must end, and must be complete in itself. Without subgraphs (Loop, Scan, If) and
functions, each operator of a graph runs once. Without external data, no other file is read.

An ONNX file is a message of Protocol Buffers (https://protobuf.dev/programming-guides/encoding):
fields with a number and a value. The numbers are those of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from mnist_edge.errors import ModelError

__all__ = ["NESTED", "REFUSED", "TEXT", "check_structure"]

_MOST_FIELDS = 300_000
"""A network of thousands of operators has tens of thousands; each takes memory when it is read."""

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5

NESTED: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "operator set", 14: "metadata"},
    "operator set": {},
    "metadata": {},
    "graph": {
        1: "node",
        5: "tensor",
        11: "value",
        12: "value",
        13: "value",
        15: "sparse tensor",
    },
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 10: "tensor", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
    "value": {2: "type"},
    "type": {1: "tensor type"},
    "tensor type": {2: "shape"},
    "shape": {1: "dimension"},
    "dimension": {},
}
"""Messages inside a message, by the number of their field."""

TEXT: dict[str, set[int]] = {
    "model": {2, 3, 4, 6},
    "operator set": {1},
    "metadata": {1, 2},
    "graph": {2, 10},
    "node": {1, 2, 3, 4, 6, 7, 8},
    "attribute": {1, 13, 21},
    "tensor": {8, 12},
    "value": {1, 3},
    "dimension": {2, 3},
}
"""Fields that are text: where it is not UTF-8, onnxruntime's own errors break."""

REFUSED: dict[str, dict[int, str]] = {
    "model": {
        20: "holds a training graph; export it for inference",
        25: "holds functions; export it with these inlined",
    },
    "attribute": {
        6: "holds a subgraph (Loop, Scan, If), which may never end; export it without",
        11: "holds subgraphs, which may never end; export it without",
    },
    "tensor": {
        13: "has weights outside of its file; save it as one file",
        14: "has weights outside of its file; save it as one file",
    },
}
"""What a model may not hold, by the number of its field, and what to do about it."""

_Field: TypeAlias = tuple[int, memoryview | int]


def check_structure(content: bytes, name: str) -> None:
    """Checks that a model runs no loop, and names no other file.

    Args:
        content: of the file.
        name: of the file, in error messages.

    Raises:
        ModelError: it is not an ONNX model, it holds subgraphs, functions or external data, or its
            text is not UTF-8.
    """
    try:
        _check(memoryview(content), name)
    except (IndexError, _NotProtobufError) as error:
        raise ModelError(
            f"{name}: not an ONNX model (damaged, truncated, or something else); "
            "export it again with `mnist-edge export`"
        ) from error
    except UnicodeDecodeError as error:
        raise ModelError(
            f"{name}: its names or its metadata are not UTF-8; export it again"
        ) from error


class _NotProtobufError(Exception):
    pass


def _check(content: memoryview, name: str) -> None:
    remaining = [("model", content)]
    fields = 0
    while remaining:
        message, part = remaining.pop()
        nested, text, refused = NESTED[message], TEXT.get(message, ()), REFUSED.get(message, {})
        for number, value in _fields(part):
            fields += 1
            if fields > _MOST_FIELDS:
                raise ModelError(f"{name}: has too many parts (more than {_MOST_FIELDS:,})")
            # The data of a tensor may be said to be inside, which is 0.
            if number in refused and value != 0:
                raise ModelError(f"{name}: {refused[number]}")
            if isinstance(value, int):
                continue
            if number in nested:
                remaining.append((nested[number], value))
            elif number in text:
                str(value, "utf-8")


def _fields(message: memoryview) -> Iterator[_Field]:
    """Numbers and values of a message's fields: integers, or bytes as they are.

    Raises:
        IndexError, _NotProtobufError: it is damaged.
    """
    position, end = 0, len(message)
    while position < end:
        tag, position = _varint(message, position)
        if tag >= 1 << 32:  # other readers drop the higher bits
            raise _NotProtobufError
        kind, value = tag & 7, 0
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, position = _varint(message, position)
        elif kind in (_FIXED_64, _FIXED_32):
            size = 8 if kind == _FIXED_64 else 4
        else:
            raise _NotProtobufError
        if size > end - position:
            raise _NotProtobufError
        yield tag >> 3, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """The integer that begins at a position, and the position after it."""
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise _NotProtobufError
