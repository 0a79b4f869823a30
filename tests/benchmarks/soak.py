"""A server under tens of thousands of requests, good and bad: `python tests/benchmarks/soak.py`.

A tenth of the requests are malformed, oversized, slow, or cut off in the middle. Every answer is
compared with what `DigitClassifier` says of the same picture. Memory is that of the last tenth
against the second tenth; descriptors must stay as many. The exit code is 1 where something is not
as it should be. Linux, for memory and descriptors.
"""

from __future__ import annotations

import argparse
import random
import socket
import statistics
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from mnist_edge import DigitClassifier
from tests.benchmarks.serving import ours, resident, serving

SAMPLES = Path(__file__).parents[2] / "samples"
PART = 10
"""Parts that the run is looked at in."""


@dataclass
class Soaked:
    """What was seen.

    Attributes:
        statuses: responses by what was sent and their status.
        wrong: answers that are not those of the classifier.
        memory: MiB at the end of each request of a part, by part.
        descriptors: open ones at the end of each part.
    """

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: int = 0
    memory: list[list[float]] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """Median memory of the last part, of that of the second."""
        return statistics.median(self.memory[-1]) / statistics.median(self.memory[1])

    def faults(self) -> list[str]:
        """What is not as it should be."""
        found = [
            f"{n} x {kind}: {code}" for (kind, code), n in self.statuses.items() if code >= 500
        ]
        if self.wrong:
            found.append(f"{self.wrong} wrong answers")
        if self.growth > 1.05:
            found.append(f"memory grew by {self.growth - 1:.1%}")
        if self.descriptors[-1] > self.descriptors[1]:
            found.append(f"descriptors: {self.descriptors[1]}, then {self.descriptors[-1]}")
        return found


class _Visitor:
    """Sends requests, good and bad.

    Args:
        url: of the server.
        seed: of what is sent.
    """

    def __init__(self, url: str, seed: int) -> None:
        self._chance = random.Random(seed)
        self._client = httpx.Client(base_url=url, timeout=60)
        self._address = ("127.0.0.1", int(url.rpartition(":")[2]))
        classifier = DigitClassifier()
        paths = sorted([*SAMPLES.glob("*.png"), *SAMPLES.glob("*.jpg")])
        self._pictures = [path.read_bytes() for path in paths]
        self._expected = [classifier.predict(content).to_dict() for content in self._pictures]
        self._held: list[socket.socket] = []

    def close_held(self) -> None:
        """Ends the connections of slow clients, and waits until the server knows."""
        while self._held:
            self._held.pop().close()
        for _ in range(20):
            self._client.get("/health")

    def close(self) -> None:
        """Ends all connections."""
        self.close_held()
        self._client.close()

    def visit(self, soaked: Soaked) -> None:
        """Sends one request."""
        bad: list[Callable[[], tuple[str, int]]]
        bad = [self._damaged, self._oversized, self._slow, self._cut_off, self._nonsense]
        if self._chance.random() < 0.1:
            soaked.statuses[self._chance.choice(bad)()] += 1
            return
        place = self._chance.randrange(len(self._pictures))
        response = self._client.post("/predict", content=self._pictures[place])
        soaked.statuses["good", response.status_code] += 1
        answer = response.json() | {"path": None}
        soaked.wrong += answer != self._expected[place]

    def _damaged(self) -> tuple[str, int]:
        content = bytearray(self._chance.choice(self._pictures))
        for _ in range(20):
            content[self._chance.randrange(len(content))] = self._chance.randrange(256)
        return "damaged", self._client.post("/predict", content=bytes(content)).status_code

    def _oversized(self) -> tuple[str, int]:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
        with socket.create_connection(self._address, 60) as client:
            client.sendall(head)
            return "oversized", int(client.recv(4096).split()[1])

    def _slow(self) -> tuple[str, int]:
        client = socket.create_connection(self._address, 60)
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
        self._held.append(client)
        if len(self._held) > 20:
            self._held.pop(0).close()
        return "slow", 0

    def _cut_off(self) -> tuple[str, int]:
        content = self._chance.choice(self._pictures)
        head = (
            f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        with socket.create_connection(self._address, 60) as client:
            client.sendall(head.encode() + content[: self._chance.randrange(len(content))])
        return "cut off", 0

    def _nonsense(self) -> tuple[str, int]:
        with socket.create_connection(self._address, 60) as client:
            client.sendall(self._chance.randbytes(200) + b"\r\n\r\n")
            return "nonsense", int(client.recv(4096).split()[1])


def soak(url: str, pid: int, count: int, seed: int = 0) -> Soaked:
    """Sends requests to a server.

    Args:
        url: its address.
        pid: its process.
        count: of requests.
        seed: of what is sent.
    """
    soaked = Soaked()
    visitor = _Visitor(url, seed)
    for _ in range(PART):
        memory = []
        for _ in range(count // PART):
            visitor.visit(soaked)
            memory.append(resident(pid))
        soaked.memory.append(memory)
        visitor.close_held()
        soaked.descriptors.append(len(list(Path(f"/proc/{pid}/fd").iterdir())))
    visitor.close()
    return soaked


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with serving(*ours()) as (url, pid):
        soaked = soak(url, pid, options.requests, options.seed)
    for (kind, status), count in sorted(soaked.statuses.items()):
        print(f"{count:>8}  {kind}: {status or 'no answer awaited'}")
    medians = [f"{statistics.median(part):.1f}" for part in soaked.memory]
    print(f"memory of each tenth, MiB: {', '.join(medians)}; growth {soaked.growth - 1:+.1%}")
    print(f"descriptors: {soaked.descriptors}")
    faults = soaked.faults()
    print("\n".join(faults) or "no fault")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
