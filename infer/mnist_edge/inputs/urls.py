"""Files and folders in object stores, by URL: ``s3://BUCKET/KEY`` and ``gs://BUCKET/KEY``.

`pyarrow.fs` does the work. Keys, endpoint and region come from the environment, as for the stores'
own programs; ``s3://anonymous@BUCKET/KEY`` asks without a key.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import glob
import io
import os
import posixpath
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mnist_edge.errors import ImageError, ImageReadError
from mnist_edge.inputs.columns import import_pyarrow
from mnist_edge.inputs.limits import read_limited
from mnist_edge.inputs.names import is_url
from mnist_edge.inputs.walk import FolderWalk, in_order

if TYPE_CHECKING:
    from mnist_edge.types import ImageSource

__all__ = [
    "are_in_use",
    "errors_in_words",
    "expand",
    "fetched",
    "open_forward_only",
    "open_seekable",
    "read_url",
]

_PATIENCE = 10.0, 30.0
"""Seconds to wait for a connection, and for an answer."""

_ATTEMPTS = 3
_AT_ONCE, _LARGE = 16, 4 << 20
"""Pictures that one process fetches at a time: an answer takes long, and hardly any work. Bytes of
one that is fetched alone."""

_BLOCK = 1 << 18
"""Bytes of a file that are asked for at a time."""

_SCHEMES = ("s3", "gs")


def are_in_use() -> bool:
    """Whether this process has connections to a store: it can then not be forked."""
    return _filesystem.cache_info().currsize > 0


def expand(url: str, walk: FolderWalk, *, globs: bool) -> Iterator[str]:
    """URLs of the files that one stands for: a file, those that a glob matches, those of a folder.

    Args:
        url: to look up.
        walk: says which files of a folder are pictures.
        globs: the last part of it may be a glob.

    Raises:
        ImageReadError: it cannot be listed, or there is no such thing.
        MissingExtraError: pyarrow is not installed.
    """
    filesystem, path = _split(url)
    folder, last = posixpath.split(url)
    if globs and glob.has_magic(last):
        found = fnmatch.filter(_listing(filesystem, folder, walk, is_any=True), last)
        yield from in_order(f"{folder}/{name}" for name in found)
        return
    from pyarrow import fs

    with errors_in_words(url):
        (info,) = filesystem.get_file_info([path])
    if info.type == fs.FileType.NotFound:
        raise ImageReadError(f"{url}: no such file")
    if info.type == fs.FileType.Directory:
        yield from _pictures_below(filesystem, url.rstrip("/"), walk)
    else:
        yield url


def _pictures_below(filesystem: Any, folder: str, walk: FolderWalk) -> Iterator[str]:
    """URLs of pictures, in the order in which a folder of the disk is walked."""
    names = _listing(filesystem, folder, walk)
    for url in in_order(f"{folder}/{name}" for name in names):
        if url.endswith("/"):
            yield from _pictures_below(filesystem, url[:-1], walk)
        else:
            yield url


def _listing(
    filesystem: Any, folder: str, walk: FolderWalk, *, is_any: bool = False
) -> Iterator[str]:
    """Names in a folder: of pictures, and of folders to search, which end with a slash."""
    from pyarrow import fs

    with errors_in_words(folder):
        entries = filesystem.get_file_info(fs.FileSelector(_split(folder)[1], recursive=False))
    for entry in entries:
        name = entry.base_name
        if entry.type == fs.FileType.Directory:
            if walk.recursive and not is_any and name[:1] not in ("", "."):
                yield name + "/"
        elif is_any or walk.is_wanted(name):
            yield name


def read_url(url: str) -> bytes:
    """The bytes of a file.

    Raises:
        ImageReadError: it cannot be read, or is larger than is safe to read.
    """
    with errors_in_words(url), open_seekable(url) as file:
        return read_limited(file.read, url)


def fetched(sources: Sequence[ImageSource | ImageError]) -> Iterator[ImageSource | ImageError]:
    """Sources whose URLs are replaced by the bytes there, or by why there are none.

    Several are fetched at the same time; URLs of large files stay, to be fetched one by one.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for start in range(0, len(sources), _AT_ONCE):
            window = sources[start : start + _AT_ONCE]
            yield from threads.map(_fetch, window)


def _fetch(source: ImageSource | ImageError) -> ImageSource | ImageError:
    if not isinstance(source, str) or not is_url(source):
        return source
    try:
        with errors_in_words(source), open_seekable(source) as file:
            return source if file.size() > _LARGE else read_limited(file.read, source)
    except ImageReadError as error:
        return error


def open_forward_only(url: str) -> io.BufferedReader:
    """Opens a file for reading once from its beginning to its end; errors do not name it.

    Raises:
        ImageReadError: it cannot be opened; also while it is read.
    """
    filesystem, path = _split(url)
    with errors_in_words():
        return io.BufferedReader(_Stream(filesystem.open_input_stream(path)), _BLOCK)


class _Stream(io.RawIOBase):
    """A file of a store whose errors are ours."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with errors_in_words():
            count: int = self._file.readinto(buffer)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def open_seekable(url: str) -> Any:
    """Opens a file for reading anywhere, as pyarrow does it; its errors are those of pyarrow.

    Raises:
        ImageReadError: there is no such store.
        OSError: it cannot be opened.
    """
    filesystem, path = _split(url)
    return filesystem.open_input_file(path)


@contextlib.contextmanager
def errors_in_words(url: str = "") -> Iterator[None]:
    """Turns an error of a store into one line, which begins with the URL if that is given."""
    prefix = f"{url}: " if url else ""
    try:
        yield
    except FileNotFoundError as error:
        raise ImageReadError(f"{prefix}no such file") from error
    except OSError as error:
        reason = " ".join(str(error).split())
        raise ImageReadError(f"{prefix}cannot be read ({reason})") from error


def _split(url: str) -> tuple[Any, str]:
    """The store that has a file, and the file's name there: ``BUCKET/KEY``."""
    scheme, _, path = url.partition("://")
    if scheme == "file":
        raise ImageReadError(f"{url}: a file of another machine is not read; file:///PATH is")
    if scheme not in _SCHEMES:
        known = ", ".join(f"{name}://" for name in (*_SCHEMES, "file"))
        raise ImageReadError(f"{url}: only {known} are read; fetch it first")
    if not path.strip("/"):
        raise ImageReadError(f"{url}: names no bucket")
    user, at, rest = path.partition("@")
    if not at or "/" in user:
        return _filesystem(scheme, False), path
    if user != "anonymous":
        raise ImageReadError(
            f"{scheme}://...@{rest}: a key does not belong into a URL; put it into the environment"
        )
    return _filesystem(scheme, True), rest


@functools.cache
def _filesystem(scheme: str, anonymous: bool) -> Any:
    import_pyarrow(f"{scheme}://")
    from pyarrow import fs

    if scheme == "gs":
        return fs.GcsFileSystem(anonymous=anonymous)
    connecting, answering = _PATIENCE
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    protocol, _, host = endpoint.rpartition("://")
    return fs.S3FileSystem(
        anonymous=anonymous,
        endpoint_override=host.rstrip("/") or None,
        scheme=protocol or "https",
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        connect_timeout=connecting,
        request_timeout=answering,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )
