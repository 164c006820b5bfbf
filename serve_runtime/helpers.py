"""Threads that help with a call, and wait for the next one without spinning.

Not concurrent.futures: an interrupt inside one of its locks, which are Python code, leaves it
locked, and the process hangs when it ends. A SimpleQueue is C code and takes an interrupt whole.
"""

import threading
import weakref
from collections.abc import Callable, Iterator
from itertools import count
from queue import SimpleQueue
from typing import NamedTuple


class _Task(NamedTuple):
    work: Callable[[], None]
    claims: Iterator[int]
    """Whoever draws 0 does the work, or has called it off."""
    done: "SimpleQueue[None]"


class Helpers:
    """`number` threads, which end with this object."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        for i in range(number):
            name = f"serve-runtime-{i + 1}"
            threading.Thread(target=_help, args=(self._tasks,), name=name, daemon=True).start()
        weakref.finalize(self, _dismiss, self._tasks, number).atexit = False

    def run(self, work: Callable[[], None]) -> None:
        """Call `work` here and on every helper that is free; back when all calls are.

        `work` raises nothing, and returns at once where nothing is left to do.
        """
        done: SimpleQueue[None] = SimpleQueue()
        tasks = [_Task(work, count(), done) for _ in range(self._number)]
        for task in tasks:
            self._tasks.put(task)
        work()
        for task in tasks:  # one that still waits behind another call is called off
            if next(task.claims):
                done.get()


def _help(tasks: "SimpleQueue[_Task | None]") -> None:
    while (task := tasks.get()) is not None:
        if next(task.claims) == 0:
            task.work()
            task.done.put(None)
        del task  # or the batch would stay until the next one comes


def _dismiss(tasks: "SimpleQueue[_Task | None]", number: int) -> None:
    for _ in range(number):
        tasks.put(None)
