"""Items made ahead: their order, what waits, exceptions, and the end of the thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from mnist_edge_trainer.ahead import Ahead


def test_items_come_in_order_and_then_end() -> None:
    with closing(Ahead(iter(range(1_000)), 3)) as ahead:
        assert list(ahead) == list(range(1_000))
        assert list(ahead) == []


def test_no_more_items_are_made_than_may_wait() -> None:
    made: list[int] = []
    waiting = threading.Semaphore(0)

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            waiting.release()
            yield number

    with closing(Ahead(items(), 2)) as ahead:
        assert next(ahead) == 0
        for _ in range(4):  # the one that was used, two that wait, and one that is being made
            assert waiting.acquire(timeout=60)
        assert not waiting.acquire(timeout=0.5)
        assert made == [0, 1, 2, 3]
        assert next(ahead) == 1
        assert waiting.acquire(timeout=60)


def test_an_exception_is_raised_where_its_item_would_have_come() -> None:
    def items() -> Iterator[int]:
        yield 0
        yield 1
        raise KeyError("two")

    with closing(Ahead(items(), 5)) as ahead:
        assert [next(ahead), next(ahead)] == [0, 1]
        with pytest.raises(KeyError, match="two"):
            next(ahead)
        assert list(ahead) == []


@pytest.mark.parametrize("used", [0, 1, 5])
def test_closing_ends_the_thread(used: int) -> None:
    before = threading.active_count()
    ahead = Ahead(iter(range(1_000_000)), 2)
    for _ in range(used):
        next(ahead)
    assert threading.active_count() == before + 1
    ahead.close()
    assert threading.active_count() == before
    assert list(ahead) == []


def test_what_takes_long_sees_that_it_is_not_wanted() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        closed.wait()

    ahead = Ahead(items(), 1, closed=closed)
    assert next(ahead) == 0
    ahead.close()


def test_the_thread_is_prepared_before_it_makes_an_item() -> None:
    seen: list[str] = []

    def items() -> Iterator[str]:
        yield seen[0]

    with closing(Ahead(items(), 1, lambda: seen.append(threading.current_thread().name))) as ahead:
        assert next(ahead) != threading.current_thread().name
