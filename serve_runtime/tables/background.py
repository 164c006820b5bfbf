"""Reading ahead and writing behind in background threads, so that both overlap with the work.

`read_ahead` runs a generator in a thread, `write_behind` runs a function in one. Only a few items
wait between the threads, so memory stays bounded, and an error in the background thread is raised
in the thread that uses the result. Arrow's reader threads must have let go of a Python file before
the interpreter ends (`readable_by_arrow`).

Not concurrent.futures, for the reason that serve_runtime.inference.thread_team gives.
"""

import threading
import traceback
import warnings
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import numpy as np

from serve_runtime.tables.csv.byte_stream import PeekableStream

T = TypeVar("T")

_QUEUE_ITEMS = 2
"""Most items that wait between two threads: enough that neither thread waits for the other's next
item, and few, because each is a batch in memory."""

_SIGNAL_SECONDS = 0.1
"""Longest wait before signals are looked at again. A signal that comes just before a wait begins,
which is likely where the threads have to share a core, does not end it."""

_RELEASE_SECONDS = 5
"""How long to wait for Arrow to release a file. It takes milliseconds, unless one of its threads
sits in a read that cannot be cancelled."""

_END: Any = object()
_FAILED: Any = object()


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
    worker = _Worker()

    def results() -> Iterator[T]:
        while (item := worker.result()) is not _END:
            worker.submit(next, items, _END)
            yield item

    def close() -> None:
        # An interrupt may leave the thread running, and a generator that runs cannot be closed.
        if not getattr(items, "gi_running", False):
            items.close()

    with ExitStack() as leaving:  # each of these is done, in this order, whatever another raises
        for step in (close, worker.join, cancel, worker.drop):
            leaving.callback(step)
        worker.start()
        for _ in range(_QUEUE_ITEMS):
            worker.submit(next, items, _END)
        yield results()


@contextmanager
def write_behind(write: Callable[[T], object]) -> Iterator[Callable[[T], None]]:
    """Give a function that queues an item; a background thread calls `write` with each, in order.

    The function waits while a few items are queued. If `write` raises, the next call, or leaving
    the block, raises the same error, and nothing more is written. Leaving the block waits until
    everything is written; leaving it with an error drops the items that are still queued.
    """
    worker, unanswered = _Worker(), 0

    def put(item: T) -> None:
        nonlocal unanswered
        while unanswered and (unanswered >= _QUEUE_ITEMS or worker.answered()):
            unanswered -= 1
            worker.result()
        worker.raise_failure()
        worker.submit(write, item)
        unanswered += 1

    with ExitStack() as leaving:
        for step in (worker.join, worker.drop):
            leaving.callback(step)
        worker.start()
        yield put
        for _ in range(unanswered):
            worker.result()
        worker.raise_failure()


class _Worker:
    """A thread that makes one call after the other until one raises, or until `drop`."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]] | None] = SimpleQueue()
        self._results: SimpleQueue[Any] = SimpleQueue()
        self._failure: BaseException | None = None
        self._dropped = self._alone = False
        self._thread = threading.Thread(target=self._run, name="serve-runtime-files", daemon=True)

    def start(self) -> None:
        """Start the thread. Where the system allows no more, calls are made by whoever queues
        them, and a RuntimeWarning says so."""
        try:
            self._thread.start()
        except RuntimeError as reason:
            self._alone = True
            warnings.warn(
                f"the system allows no more threads ({reason}): one reads, scores and writes",
                RuntimeWarning,
                stacklevel=2,
            )

    def submit(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Queue a call. After one that raised, no other is made."""
        if self._alone:
            self._answer(function, arguments)
        else:
            self._calls.put((function, arguments))

    def answered(self) -> bool:
        """Whether `result` would not wait."""
        return not self._results.empty()

    def result(self) -> Any:
        """What the next call returned, after waiting for it; raises what a call has raised."""
        while True:
            try:
                value = self._results.get(timeout=_SIGNAL_SECONDS)
            except Empty:
                continue
            if value is _FAILED:
                self.raise_failure()
            return value

    def raise_failure(self) -> None:
        """Raise what a call has raised, if one has."""
        if self._failure is not None:
            raise self._failure

    def drop(self) -> None:
        """Make no call any more that has not begun, and end the thread after the one that has."""
        self._dropped = True
        self._calls.put(None)

    def join(self) -> None:
        """Wait for the end of the thread; only after `drop`."""
        # A generator that uses this may be closed by a garbage collection in this very thread.
        while self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_SIGNAL_SECONDS)
        self._failure = None  # its traceback refers to the thread's frames, and they to this

    def _run(self) -> None:
        while (call := self._calls.get()) is not None and not self._dropped:
            self._answer(*call)
            del call  # or the batch would stay until the next one comes

    def _answer(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        value = _FAILED
        if self._failure is None:
            try:
                value = function(*arguments)
            except BaseException as reason:
                self._failure = reason
        self._results.put(value)


@contextmanager
def readable_by_arrow(stream: PeekableStream) -> Iterator[Callable[[], object]]:
    """Give a function that makes a Python file object of `stream` for Arrow to read.

    Arrow reads ahead in threads of its own and drops its references to the file, and to the bytes
    read from it, whenever those threads get to it. If that happens after the interpreter has
    ended, the process hangs or aborts. So leaving the block ends `stream` and waits until every
    object that Arrow was given is freed; the caller must have dropped its own references by then
    (which is why this gives a function and not the file itself).
    """
    held, freed = list[object](), SimpleQueue[object]()

    def track(thing: T) -> T:
        # The queue's put is C code: no Python code has to run in Arrow's thread at that moment.
        held.append(weakref.ref(thing, freed.put))
        while not freed.empty():
            held.remove(freed.get())
        return thing

    try:
        yield lambda: track(_ArrowFile(stream, track))
    except BaseException as reason:
        traceback.clear_frames(reason.__traceback__)  # the traceback's frames refer to the file
        raise
    finally:
        stream.cancel()
        with suppress(Empty):
            while held:
                held.remove(freed.get(timeout=_RELEASE_SECONDS))


class _ArrowFile:
    """The methods of a file that Arrow calls, with every result tracked until it is freed."""

    closed = False

    def __init__(self, stream: PeekableStream, track: Callable[[Any], Any]) -> None:
        self._stream, self._track = stream, track

    def read(self, size: int) -> Any:
        """The next `size` bytes, or more: see `PeekableStream.read_block`. As an array, since bytes
        cannot be weakly referenced."""
        return self._track(np.frombuffer(self._stream.read_block(size), np.uint8))

    def close(self) -> None:
        """Do nothing: the stream is closed by the code that opened it."""
