"""The first pictures of a folder, read while this process still imports what it answers with.

Numpy and onnxruntime take more than a tenth of a second to be imported, on one core. A second
process, which has no need of them, reads and decodes small PNGs meanwhile, thousands of them.
What it has by then saves the time; whatever it left is read as if it had never been.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Pictures", "ReadAhead", "read_ahead"]

_SIDE = 28
_SIZE = _SIDE * _SIDE
_MOST = 8_192
"""Pictures, which are 6 MiB."""

_LARGEST_FILE = 65_536

_DONE = struct.Struct("NN")
"""How many pictures there are, and where their names end."""

_PIXELS = _DONE.size
_NAMES = _PIXELS + _MOST * _SIZE
_ALL = _NAMES + _MOST * 128


class Pictures(NamedTuple):
    """What was read ahead.

    Attributes:
        places: of each path's picture among the others, from 0.
        pixels: of all, uint8, 28 x 28 each.
    """

    places: Mapping[str, int]
    pixels: memoryview

    def of(self, paths: Iterable[str]) -> Iterator[npt.NDArray[np.uint8] | None]:
        """Pixels uint8 ``[28, 28]`` of each path; None where they were not read."""
        import numpy as np  # by now

        pictures = np.frombuffer(self.pixels, np.uint8).reshape(-1, _SIDE, _SIDE)
        for path in paths:
            place = self.places.get(path)
            yield None if place is None else pictures[place]


class ReadAhead:
    """A process that reads pictures until they are asked for, or this one is gone.

    Args:
        folders: to read from, in this order.
        recursive: and from the folders inside.

    Attributes:
        process: its number.

    Raises:
        OSError: there can be no such process.
    """

    def __init__(self, folders: Sequence[str], recursive: bool) -> None:
        self._memory = mmap.mmap(-1, _ALL)
        parent = os.getpid()
        self.process = os.fork()
        if self.process == 0:
            try:
                _let_go()
                _read(folders, recursive, self._memory, parent)
            finally:
                os._exit(0)

    def pictures(self) -> Pictures:
        """Ends the process: what it has read."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # whoever ignores SIGCHLD waits for nobody
            os.waitpid(self.process, 0)
        count, end = _DONE.unpack_from(self._memory)
        paths = os.fsdecode(self._memory[_NAMES:end]).split("\0")[:count]
        pixels = memoryview(self._memory)[_PIXELS : _PIXELS + count * _SIZE]
        return Pictures(dict(zip(paths, range(count), strict=True)), pixels)


def read_ahead(options: Mapping[str, Any]) -> ReadAhead | None:
    """Begins, where there is a core to do it, and nothing but folders to read.

    Args:
        options: of `mnist_edge.cli.predict.run`.
    """
    paths = options.get("paths") or []
    others = ("files_from", "show", "save_preprocessed")
    if options.get("workers") == 1 or any(options.get(name) for name in others):
        return None
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return None
    if not paths or not all(map(os.path.isdir, paths)):
        return None
    try:
        return ReadAhead(paths, options.get("recursive", False))
    except OSError:  # too many processes, too little memory: it goes without
        return None


def _let_go() -> None:
    """Of all that the other process's streams and signals are to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)


def _read(folders: Sequence[str], recursive: bool, memory: mmap.mmap, parent: int) -> None:
    """Fills the memory: pixels and name of a picture, and then the count that says so."""
    from mnist_edge.inputs.png import plain_pixels

    count, end = 0, _NAMES
    for tried, path in enumerate(_pictures(folders, recursive)):
        name = os.fsencode(path) + b"\0"
        if tried == _MOST or end + len(name) > _ALL or os.getppid() != parent:
            return
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                content = os.read(descriptor, _LARGEST_FILE)
            finally:
                os.close(descriptor)
        except OSError:
            continue
        picture = plain_pixels(content)
        if picture is None or picture[:2] != (_SIDE, _SIDE):
            continue
        start = _PIXELS + count * _SIZE
        memory[start : start + _SIZE] = picture[2]
        memory[end : end + len(name)] = name
        count, end = count + 1, end + len(name)
        _DONE.pack_into(memory, 0, count, end)


def _pictures(folders: Sequence[str], recursive: bool) -> Iterator[str]:
    from mnist_edge.inputs.walk import Listing

    for folder in folders:
        yield from Listing(recursive).pictures_in(folder)
