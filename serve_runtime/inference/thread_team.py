"""Threads that share the work of a call, and wait for the next one without using the processor.

Not concurrent.futures: an interrupt (Ctrl-C) inside one of its locks, which are Python code, leaves
it locked, and the process hangs when it ends. A SimpleQueue is C code, which an interrupt cannot
cut in two.
"""

import threading
import warnings
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import NamedTuple


class _Task(NamedTuple):
    work: list[Callable[[], None]]
    """A list of one function. A thread pops it and calls it; the caller pops it to cancel it. From
    then on the queue, in which the task may still wait, does not keep the batch alive."""
    done: "SimpleQueue[None]"


class ThreadTeam:
    """`number` threads besides the caller's, or as many of them as the system allows, which a
    RuntimeWarning says; they end when this object is let go."""

    def __init__(self, number: int) -> None:
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        weakref.finalize(self, _end_threads, self._tasks, number).atexit = False
        self._number = 0
        try:
            for i in range(number):
                name = f"serve-runtime-{i + 1}"
                threading.Thread(target=_serve, args=(self._tasks,), name=name, daemon=True).start()
                self._number += 1
        except RuntimeError as reason:
            warnings.warn(
                f"the system allows no more threads ({reason}): {self._number + 1} of "
                f"{number + 1} score",
                RuntimeWarning,
                stacklevel=2,
            )

    def run(self, work: Callable[[], None]) -> None:
        """Call `work` in this thread and in every free thread of the team; return when all calls
        have, unless an interrupt ends the wait.

        `work` must not raise, and must return at once where nothing is left to do.
        """
        done: SimpleQueue[None] = SimpleQueue()
        tasks = [_Task([work], done) for _ in range(self._number)]
        for task in tasks:
            self._tasks.put(task)
        work()
        for task in tasks:
            try:
                task.work.pop()  # no thread was free
            except IndexError:
                done.get()


def _serve(tasks: "SimpleQueue[_Task | None]") -> None:
    while (task := tasks.get()) is not None:
        try:
            work = task.work.pop()
        except IndexError:
            continue
        try:
            work()
        finally:
            task.done.put(None)
        del work, task  # or the batch would stay until the next one comes


def _end_threads(tasks: "SimpleQueue[_Task | None]", number: int) -> None:
    for _ in range(number):
        tasks.put(None)
