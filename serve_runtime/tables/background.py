"""Reading ahead and writing behind in background threads, so that both overlap with the work.

`read_ahead` runs a generator in a thread, `write_behind` runs a function in one. Only a few items
wait between the threads, so memory stays bounded, and an error in the background thread is raised
in the thread that uses the result.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

_QUEUE_ITEMS = 2
"""Most items that wait between two threads: enough that neither thread waits for the other's next
item, and few, because each is a batch in memory."""

_END: Any = object()


@contextmanager
def read_ahead(
    items: Generator[T, None, None], cancel: Callable[[], object] = lambda: None
) -> Iterator[Iterator[T]]:
    """Run the generator `items` in a background thread; gives an iterator over the same items.

    The thread stays a few items ahead of the iterator. If `items` raises, the iterator raises the
    same error after the items before it. On leaving the block, also before the last item,
    `cancel` is called, which should make a read that is waiting for data return; then the thread
    is joined and `items` is closed.

        with read_ahead(batches(path)) as ahead:
            for batch in ahead:
                ...
    """
    with _closing(items), ThreadPoolExecutor(1) as pool:
        pending: deque[Future[Any]] = deque()

        def results() -> Iterator[T]:
            while (item := pending.popleft().result()) is not _END:
                pending.append(pool.submit(next, items, _END))
                yield item

        try:
            for _ in range(_QUEUE_ITEMS):
                pending.append(pool.submit(next, items, _END))
            yield results()
        finally:
            _cancel_all(pending)
            cancel()


@contextmanager
def _closing(items: Any) -> Iterator[None]:
    try:
        yield
    finally:
        # An interrupt while the thread starts may leave the thread running, and a generator that
        # is running cannot be closed.
        if not items.gi_running:
            items.close()


@contextmanager
def write_behind(write: Callable[[T], object]) -> Iterator[Callable[[T], None]]:
    """Give a function that queues an item; a background thread calls `write` with each, in order.

    The function waits while a few items are queued. If `write` raises, the next call, or leaving
    the block, raises the same error, and nothing more is written. Leaving the block waits until
    everything is written; leaving it with an error drops the items that are still queued.
    """
    with ThreadPoolExecutor(1) as pool:
        pending: deque[Future[object]] = deque()

        def put(item: T) -> None:
            while pending and (len(pending) >= _QUEUE_ITEMS or pending[0].done()):
                pending.popleft().result()
            pending.append(pool.submit(write, item))

        try:
            yield put
            while pending:
                pending.popleft().result()
        finally:
            _cancel_all(pending)


def _cancel_all(pending: deque[Future[Any]]) -> None:
    while pending:
        pending.pop().cancel()  # the last first, so that the thread starts none of them meanwhile
