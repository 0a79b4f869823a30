"""The first pictures of a folder, read while this process still imports what it answers with.

Numpy and onnxruntime take more than a tenth of a second to be imported, on one core. A second
process, which has no need of them, reads and decodes small PNGs meanwhile, thousands of them.
What it has by then saves the time; whatever it left, is read as if it had never been.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["ReadAhead", "read_ahead"]

_SIDE = 28
_SIZE = _SIDE * _SIDE
_MOST = 8_192
"""Pictures, which are 6 MiB."""

_LARGEST_FILE = 65_536


class ReadAhead:
    """A process that reads pictures until they are asked for.

    Args:
        folders: to read from, in this order.
        recursive: and from the folders inside.

    Attributes:
        process: its number.
    """

    def __init__(self, folders: Sequence[str], recursive: bool) -> None:
        # One byte more, which says that it is enough.
        self._memory = mmap.mmap(-1, _MOST * _SIZE + 1)
        self._names, theirs = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            try:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                os.close(self._names)
                names = _read(folders, recursive, self._memory)
                with open(theirs, "wb") as pipe:
                    pipe.write(b"\0".join(map(os.fsencode, names)))
            finally:
                os._exit(0)
        os.close(theirs)

    def pictures(self) -> Mapping[str, memoryview]:
        """Ends the process: what it has read, 784 bytes of 28 x 28 pixels, by path."""
        self._memory[-1] = 1
        with open(self._names, "rb") as pipe:
            names = pipe.read()
        os.waitpid(self.process, 0)
        pixels = memoryview(self._memory)
        paths = map(os.fsdecode, names.split(b"\0")) if names else ()
        return {path: pixels[n * _SIZE : (n + 1) * _SIZE] for n, path in enumerate(paths)}


def read_ahead(options: Mapping[str, Any]) -> ReadAhead | None:
    """Begins, where there is a core to do it, and nothing but folders to read.

    Args:
        options: of `mnist_edge.predict.run`.
    """
    paths = options.get("paths") or []
    alone = options.get("workers") == 1 or "files_from" in options
    if alone or sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return None
    if not paths or not all(map(os.path.isdir, paths)):
        return None
    return ReadAhead(paths, options.get("recursive", False))


def _read(folders: Sequence[str], recursive: bool, memory: mmap.mmap) -> list[str]:
    """Fills the memory; the names of what is in it."""
    from mnist_edge.png import plain_pixels

    names: list[str] = []
    for path in _pictures(folders, recursive):
        if memory[-1] or len(names) == _MOST:
            break
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                content = os.read(descriptor, _LARGEST_FILE)
            finally:
                os.close(descriptor)
        except OSError:
            continue
        picture = plain_pixels(content)
        if picture is not None and picture[:2] == (_SIDE, _SIDE):
            start = len(names) * _SIZE
            memory[start : start + _SIZE] = picture[2]
            names.append(path)
    return names


def _pictures(folders: Sequence[str], recursive: bool) -> Iterator[str]:
    from mnist_edge.listing import Listing

    for folder in folders:
        yield from Listing(recursive).pictures_in(folder)
