"""Reading ahead and writing behind: a thread for each, few items in between, no error lost."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

_DEPTH = 2
"""Enough that neither side waits for the other's next item; each item is memory."""

_END: Any = object()


@contextmanager
def ahead(
    items: Generator[T, None, None], cancel: Callable[[], object] = lambda: None
) -> Iterator[Iterator[T]]:
    """Take `items` in a thread of their own, a few ahead of whoever iterates over the result.

    An error of `items` is raised in its place among them. On leaving, early or not, `cancel` is
    called, which should end a read that waits; then the thread is over and `items` is closed.
    """
    with _closing(items), ThreadPoolExecutor(1) as pool:
        pending: deque[Future[Any]] = deque()

        def taken() -> Iterator[T]:
            while (item := pending.popleft().result()) is not _END:
                pending.append(pool.submit(next, items, _END))
                yield item

        try:
            for _ in range(_DEPTH):
                pending.append(pool.submit(next, items, _END))
            yield taken()
        finally:
            _drop(pending)
            cancel()


@contextmanager
def _closing(items: Any) -> Iterator[None]:
    try:
        yield
    finally:
        # Whoever interrupts the start of a thread leaves one that nobody waits for.
        if not items.gi_running:
            items.close()


@contextmanager
def behind(write: Callable[[T], object]) -> Iterator[Callable[[T], None]]:
    """A function that has a thread call `write` with each item, in order, a few items behind.

    An error of `write` is raised by the next call that finds it, or on leaving, which waits until
    all is written. Leaving on an error drops what is not written yet.
    """
    with ThreadPoolExecutor(1) as pool:
        pending: deque[Future[object]] = deque()

        def put(item: T) -> None:
            while pending and (len(pending) >= _DEPTH or pending[0].done()):
                pending.popleft().result()
            pending.append(pool.submit(write, item))

        try:
            yield put
            while pending:
                pending.popleft().result()
        finally:
            _drop(pending)


def _drop(pending: deque[Future[Any]]) -> None:
    while pending:
        pending.pop().cancel()  # the last first, so that none begins while they are dropped
