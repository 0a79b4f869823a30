"""One part of many of the same pictures, for jobs on several machines that know nothing of another.

A picture's part depends on its name alone. So lists may be in any order, and may grow.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from mnist_edge.errors import UsageError

if TYPE_CHECKING:
    from mnist_edge.inputs.sources import Item

__all__ = ["PLACEHOLDER", "Shard"]

PLACEHOLDER = "{shard}"
"""What stands for a shard in the name of an output."""

_MOST = 1_000_000


class Shard(NamedTuple):
    """A part of the pictures.

    Attributes:
        number: which of them, from 0.
        total: how many parts there are.
    """

    number: int
    total: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Parses ``K/N``.

        Raises:
            UsageError: it is something else, or there is no such part.
        """
        found = re.fullmatch(r"([0-9]{1,7})/([0-9]{1,7})", text)
        if found is not None:
            number, total = int(found[1]), int(found[2])
            if number < total <= _MOST:
                return cls(number, total)
        raise UsageError(
            f"--shard {text}: must be a number and how many there are; of 4 they are 0/4, 1/4, "
            "2/4 and 3/4"
        )

    def __str__(self) -> str:
        """For names of files, which are then sorted by the number."""
        return f"{self.number:0{len(str(self.total - 1))}}-of-{self.total}"

    def has(self, name: str) -> bool:
        """Whether a picture of this name is in it; the same on every machine, in every version."""
        import hashlib  # not at the start of a command that has no shard

        digest = hashlib.blake2b(os.fsencode(name), digest_size=8).digest()
        return int.from_bytes(digest) % self.total == self.number

    def of(self, batches: Iterator[list[Item]]) -> Iterator[list[Item]]:
        """The pictures of it alone; a batch may be empty."""
        for batch in batches:
            yield [item for item in batch if self.has(item.name)]
            del batch  # the next pictures are read once these are gone
