"""Decodes the first pictures of a folder while this process still imports numpy and onnxruntime.

Those imports take more than a tenth of a second, on one core. A second process, which needs neither
of them, reads and decodes small PNGs meanwhile, thousands of them: with it, 10,000 are predicted in
nine tenths of the time (see ``docs/optimisations.md``). Call `start` before the imports and
`finish` after them; `decode` asks `lookup` first. Every other picture is decoded as if this module
did not exist.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mnist_edge.types import Pixels

__all__ = ["finish", "lookup", "start"]

_SIDE = 28
_SIZE = _SIDE * _SIDE
_MOST = 8_192
"""Pictures, which are 6 MiB."""

_LARGEST_FILE = 65_536

_MOST_SECONDS = 60
"""More than the imports take on any device."""

_DONE = struct.Struct("NN")
"""How many pictures there are, and where their names end."""

_PIXELS = _DONE.size
_NAMES = _PIXELS + _MOST * _SIZE
_ALL = _NAMES + _MOST * 128

_running: tuple[int, mmap.mmap] | None = None
"""The process that prefetches, and the memory shared with it."""

_pixels: dict[str, Pixels] = {}
"""Of every picture that was prefetched, by its path."""


def start(folders: Sequence[str], *, recursive: bool) -> bool:
    """Starts the second process, where there is a core for it.

    Args:
        folders: to read from, in this order.
        recursive: and from the folders inside.

    Returns:
        whether one was started: on Linux, with two cores or more, if the paths are all folders and
        the system has room for it.
    """
    global _running
    if sys.platform != "linux" or not all(map(os.path.isdir, folders)):
        return False
    if len(os.sched_getaffinity(0)) < 2:
        return False
    parent = os.getpid()
    try:
        memory = mmap.mmap(-1, _ALL)
        process = os.fork()
    except OSError:  # too many processes, too little memory: it goes without
        return False
    if process == 0:
        try:
            _let_go()
            _fill(folders, recursive, memory, parent)
        finally:
            os._exit(0)
    _running = process, memory
    return True


def finish() -> None:
    """Ends the second process, and keeps what it has decoded for `lookup`."""
    global _running
    if _running is None:
        return
    import numpy as np  # imported by now

    process, memory = _running
    _running = None
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):  # a parent that ignores SIGCHLD waits for nobody
        os.waitpid(process, 0)
    count, end = _DONE.unpack_from(memory)
    paths = os.fsdecode(memory[_NAMES:end]).split("\0")[:count]
    pictures = np.frombuffer(memory, np.uint8, count * _SIZE, _PIXELS)
    # Killed between writing the two numbers, it leaves a picture without its name.
    _pixels.update(zip(paths, pictures.reshape(-1, _SIDE, _SIDE), strict=False))


def lookup(path: str) -> Pixels | None:
    """Pixels uint8 ``[28, 28]`` of a picture; None where it was not prefetched."""
    return _pixels.get(path)


def _let_go() -> None:
    """Gives up the parent's streams and signal handlers, and sets a time at which all ends."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Should the parent die while a slow folder is listed, nobody else ends this process.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_MOST_SECONDS)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)


def _fill(folders: Sequence[str], recursive: bool, memory: mmap.mmap, parent: int) -> None:
    """Fills the memory: pixels and name of a picture, and then the count that says so."""
    from mnist_edge.inputs.png import small_png

    count, end = 0, _NAMES
    for tried, path in enumerate(_pictures(folders, recursive)):
        name = os.fsencode(path) + b"\0"
        if tried == _MOST or end + len(name) > _ALL or os.getppid() != parent:
            return
        try:
            # A pipe that took the place of a file is not waited for.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                content = os.read(descriptor, _LARGEST_FILE)
            finally:
                os.close(descriptor)
        except OSError:
            continue
        picture = small_png(content)
        if picture is None or picture[:2] != (_SIDE, _SIDE):
            continue
        position = _PIXELS + count * _SIZE
        memory[position : position + _SIZE] = picture[2]
        memory[end : end + len(name)] = name
        count, end = count + 1, end + len(name)
        _DONE.pack_into(memory, 0, count, end)


def _pictures(folders: Sequence[str], recursive: bool) -> Iterator[str]:
    from mnist_edge.inputs.walk import FolderWalk

    for folder in folders:
        yield from FolderWalk(recursive).pictures_in(folder)
