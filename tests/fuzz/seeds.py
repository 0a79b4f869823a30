"""What a case starts from."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.fuzz.mutations import mutate
from tests.fuzz.repairs import repair

__all__ = ["WRAPPERS", "Case", "Seed", "chance_of", "mutated"]

WRAPPERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda content: gzip.compress(content, 1, mtime=0),
    "bz2": lambda content: bz2.compress(content, 1),
    "xz": lambda content: lzma.compress(content, preset=0),
}
"""Compressors, by the suffix of what they make."""


@dataclass(frozen=True)
class Seed:
    """A file as its format wants it.

    Attributes:
        name: says what it is.
        suffix: of its name, by which the program knows archives and arrays.
        content: before it is compressed.
        wrapper: key of `WRAPPERS`; None = it is not compressed.
        is_whole: all pictures in it are good, and its format says where it ends.
    """

    name: str
    suffix: str
    content: bytes
    wrapper: str | None = None
    is_whole: bool = False

    @property
    def wrapped(self) -> bytes:
        """The file's bytes."""
        return self.content if self.wrapper is None else WRAPPERS[self.wrapper](self.content)


@dataclass(frozen=True)
class Case:
    """One input, which its number makes again.

    Attributes:
        number: of the case.
        seed: name of the seed that it comes from.
        suffix: of the file.
        content: the file's bytes.
        is_damaged: in a way that must give an error.
    """

    number: int
    seed: str
    suffix: str
    content: bytes
    is_damaged: bool = False


def chance_of(campaign: str, seed: int, number: int) -> random.Random:
    """What decides all that is random in a case."""
    return random.Random(f"{campaign}/{seed}/{number}")


def mutated(
    seeds: Sequence[Seed], number: int, chance: random.Random, own: Sequence[str] = ()
) -> Case:
    """Mutates a seed, inside its compression or outside, with checksums corrected or not.

    Args:
        seeds: to choose from.
        number: of the case.
        chance: decides all that is random.
        own: suffixes that the case may have instead of the seed's: now and then it has one.
    """
    seed = chance.choice(seeds)

    def other() -> bytes:
        return chance.choice(seeds).content

    if seed.wrapper is None or chance.random() < 0.6:
        content = mutate(seed.content, chance, other)
        if chance.random() < 0.5:
            content = repair(content)
        if seed.wrapper is not None:
            content = WRAPPERS[seed.wrapper](content)
    else:
        content = mutate(seed.wrapped, chance, other)
    suffix = chance.choice(own) if own and chance.random() < 0.02 else seed.suffix
    return Case(number, seed.name, suffix, content)
