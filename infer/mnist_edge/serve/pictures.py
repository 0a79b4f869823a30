"""The pictures of a request: one as the body itself, or several as parts of a form."""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, Callable
from typing import NamedTuple

from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from mnist_edge.errors import ImageReadError
from mnist_edge.inputs.formats import identify
from mnist_edge.serve.responses import RequestError

__all__ = ["Limits", "Picture", "check_area", "read_body", "read_pictures"]

_ENCODED = "Content-Encoding"
_FORM = "multipart/form-data"
_PNG = b"\x89PNG\r\n\x1a\n"


class Picture(NamedTuple):
    """A file that a client sent.

    Attributes:
        name: its own; ``-`` where it has none.
        content: the file.
    """

    name: str
    content: bytes


class Limits(NamedTuple):
    """What a request may be.

    Attributes:
        body: bytes of its body.
        pictures: in it.
        pixels: of a picture.
    """

    body: int
    pictures: int
    pixels: int


class _InMemoryParser(MultiPartParser):
    """Parts stay in memory, whatever their size: the body's limit holds, and no file is written."""

    spool_max_size = 1 << 40


async def read_body(request: Request, limit: int, hold: Callable[[int], None]) -> bytes:
    """Reads a body.

    Args:
        request: whose.
        limit: bytes of it at most.
        hold: called with the number of its bytes before they are kept.

    Raises:
        RequestError: it is too large, or compressed.
    """
    return b"".join([block async for block in _blocks(request, limit, hold)])


async def read_pictures(
    request: Request, limits: Limits, hold: Callable[[int], None]
) -> tuple[list[Picture], bool]:
    """Reads the pictures of a request.

    Args:
        request: whose.
        limits: that it must keep.
        hold: called with the number of the body's bytes before they are kept.

    Returns:
        them, and whether they came as a form.

    Raises:
        RequestError: it breaks a limit, or holds no picture.
    """
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != _FORM:
        content = await read_body(request, limits.body, hold)
        if not content:
            raise RequestError(400, "the body is empty; send the bytes of a picture")
        return [Picture("-", content)], False
    return await _form_pictures(request, limits, hold), True


async def _form_pictures(
    request: Request, limits: Limits, hold: Callable[[int], None]
) -> list[Picture]:
    blocks = _blocks(request, limits.body, hold)
    parser = _InMemoryParser(request.headers, blocks, max_files=limits.pictures, max_fields=16)
    try:
        form = await parser.parse()
    except (MultiPartException, MultipartParseError, HTTPException) as error:
        message = getattr(error, "message", None) or getattr(error, "detail", None) or str(error)
        status = 413 if "Too many files" in str(message) else 400
        raise RequestError(status, f"the form cannot be read ({message})") from error
    except (KeyError, UnicodeError, ValueError) as error:
        raise RequestError(400, "the form cannot be read (damaged headers)") from error
    try:
        pictures = [
            Picture(part.filename or "-", await part.read())
            for _, part in form.multi_items()
            if isinstance(part, UploadFile)
        ]
    finally:
        await form.close()
    if not pictures:
        raise RequestError(400, "the form has no file in it; send pictures as its parts")
    return pictures


async def _blocks(
    request: Request, limit: int, hold: Callable[[int], None]
) -> AsyncGenerator[bytes]:
    if request.headers.get(_ENCODED, "identity").strip().lower() != "identity":
        raise RequestError(415, f"{_ENCODED}: compressed bodies are not read; send it as it is")
    stated = request.headers.get("Content-Length", "")
    if stated.isdecimal() and int(stated) > limit:
        raise _too_large(limit)
    size = 0
    async for block in request.stream():
        size += len(block)
        if size > limit:
            raise _too_large(limit)
        hold(len(block))
        yield block


def _too_large(limit: int) -> RequestError:
    return RequestError(413, f"the body is larger than {limit >> 20} MiB; send smaller pictures")


def check_area(picture: Picture, pixels: int) -> None:
    """Refuses a picture of too many pixels by its header, before it is decoded.

    A header that cannot be read is left to the decoder, whose errors are better.

    Raises:
        ImageReadError: it has more.
    """
    width, height = _size(picture)
    if width * height > pixels:
        raise ImageReadError(
            f"{picture.name}: {width} x {height} pixels; this server reads at most "
            f"{pixels / 1e6:g} million"
        )


def _size(picture: Picture) -> tuple[int, int]:
    content = picture.content
    if content.startswith(_PNG) and len(content) >= 24:
        width, height = struct.unpack_from(">II", content, 16)
        return width, height
    try:
        return identify(content, picture.name).size
    except Exception:  # a parser trips over arbitrary bytes in arbitrary ways
        return 0, 0
