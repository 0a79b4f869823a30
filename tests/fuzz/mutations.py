"""Bytes -> other bytes: what a damaged disk, a cut download or a hostile hand makes of a file."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable, Sequence

__all__ = ["mutate"]

Mutation = Callable[[bytearray, random.Random], None]
"""Changes the bytes in place."""

_MOST = 1 << 20
"""Bytes that a mutated file has at most: repeated duplication would take the time of a campaign."""

_BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF, 0x0A, 0x20, 0x22, 0x2F, 0x30, 0x39, 0x1B)

_NUMBERS: tuple[int, ...] = (
    0,
    1,
    2,
    3,
    16,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    1 << 20,
    1 << 24,
    (1 << 31) - 1,
)
_NUMBERS += (1 << 31, (1 << 32) - 1, 1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
"""Sizes, counts and offsets that programs trip over."""

_TEXTS: tuple[bytes, ...] = (
    b"0",
    b"-1",
    b"1",
    b"255",
    b"65536",
    b"99999999",
    b"4294967296",
    b"9" * 19,
    b"9" * 31,
)
_TEXTS += (b"9" * 5000, b"1e9", b"nan", b"inf", b"0x7f", b"", b"1.5", b"07")
"""The same in decimal, for formats that write numbers as text."""

_FIELDS = ("<H", ">H", "<I", ">I", "<Q", ">Q")


def mutate(content: bytes, chance: random.Random, other: Callable[[], bytes]) -> bytes:
    """Applies one mutation, or a few; sometimes none, since a seed must pass too.

    Args:
        content: a seed.
        chance: decides all that is random.
        other: another seed, to splice with.
    """
    mutated = bytearray(content)
    count = min(8, int(chance.expovariate(0.6)) + (chance.random() < 0.98))
    for _ in range(count):
        if chance.random() < 0.04:
            _splice(mutated, other(), chance)
        else:
            chance.choice(_MUTATIONS)(mutated, chance)
    return bytes(mutated[:_MOST])


def _position(content: Sequence[int], chance: random.Random) -> int:
    """A place in the bytes: half of the time in the first or the last few, where headers are."""
    most = max(0, len(content) - 1)
    where = chance.random()
    if where < 0.35:
        return chance.randint(0, min(most, 63))
    if where < 0.5:
        return chance.randint(max(0, most - 63), most)
    return chance.randint(0, most)


def _span(content: bytearray, chance: random.Random) -> slice:
    start = _position(content, chance)
    return slice(start, start + min(len(content), int(chance.expovariate(1 / 24)) + 1))


def _flip_bit(content: bytearray, chance: random.Random) -> None:
    if content:
        content[_position(content, chance)] ^= 1 << chance.randrange(8)


def _set_byte(content: bytearray, chance: random.Random) -> None:
    if content:
        content[_position(content, chance)] = chance.choice(_BYTES)


def _random_bytes(content: bytearray, chance: random.Random) -> None:
    span = _span(content, chance)
    content[span] = chance.randbytes(len(content[span]))


def _set_field(content: bytearray, chance: random.Random) -> None:
    """A number of 16, 32 or 64 bits, of either byte order, to an extreme value, or near it."""
    kind = chance.choice(_FIELDS)
    size = struct.calcsize(kind)
    if len(content) < size:
        return
    start = min(_position(content, chance), len(content) - size)
    value = (chance.choice(_NUMBERS) + chance.choice((-1, 0, 0, 0, 1))) % (1 << (8 * size))
    struct.pack_into(kind, content, start, value)


def _change_field(content: bytearray, chance: random.Random) -> None:
    """A number to a near one: one more, one less, twice, half."""
    kind = chance.choice(_FIELDS)
    size = struct.calcsize(kind)
    if len(content) < size:
        return
    start = min(_position(content, chance), len(content) - size)
    (value,) = struct.unpack_from(kind, content, start)
    value = chance.choice((value + 1, value - 1, value * 2, value // 2, -value))
    struct.pack_into(kind, content, start, value % (1 << (8 * size)))


def _set_text(content: bytearray, chance: random.Random) -> None:
    """A number that is written in decimal to an extreme one."""
    start = _position(content, chance)
    found = re.compile(rb"\d+").search(content, start, start + 512)
    if found is not None:
        content[found.start() : found.end()] = chance.choice(_TEXTS)


def _delete(content: bytearray, chance: random.Random) -> None:
    del content[_span(content, chance)]


def _duplicate(content: bytearray, chance: random.Random) -> None:
    span = _span(content, chance)
    content[span.start : span.start] = content[span] * chance.choice((1, 1, 1, 2, 16))


def _move(content: bytearray, chance: random.Random) -> None:
    span = _span(content, chance)
    moved = content[span]
    del content[span]
    start = _position(content, chance)
    content[start:start] = moved


def _insert(content: bytearray, chance: random.Random) -> None:
    size = chance.choice((1, 2, 4, 16, 512))
    start = _position(content, chance)
    content[start:start] = chance.choice((bytes(size), b"\xff" * size, chance.randbytes(size)))


def _truncate(content: bytearray, chance: random.Random) -> None:
    del content[chance.randint(0, len(content)) :]


def _splice(content: bytearray, other: bytes, chance: random.Random) -> None:
    """The beginning of one file, and the end of another."""
    start = _position(content, chance)
    content[start:] = other[_position(other, chance) :]


_MUTATIONS: tuple[Mutation, ...] = (
    *(_flip_bit, _flip_bit, _set_byte, _set_byte, _set_field, _set_field, _set_field),
    *(_change_field, _change_field, _set_text, _random_bytes, _delete, _duplicate, _move),
    *(_insert, _truncate),
)
