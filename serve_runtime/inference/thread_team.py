"""Threads that help with a call, and wait for the next one without spinning.

Not concurrent.futures: an interrupt inside one of its locks, which are Python code, leaves it
locked, and the process hangs when it ends. A SimpleQueue is C code and takes an interrupt whole.
"""

import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import NamedTuple


class _Task(NamedTuple):
    work: list[Callable[[], None]]
    """One call. Whoever takes it out makes it, or has called it off; then the batch is let go,
    though the task may still wait behind another one."""
    done: "SimpleQueue[None]"


class Helpers:
    """`number` threads, or as many of them as the system allows, which end with this object."""

    def __init__(self, number: int) -> None:
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        weakref.finalize(self, _dismiss, self._tasks, number).atexit = False
        self._number = 0
        with suppress(RuntimeError):  # no more threads: those that there are, and the caller's
            for i in range(number):
                name = f"serve-runtime-{i + 1}"
                threading.Thread(target=_help, args=(self._tasks,), name=name, daemon=True).start()
                self._number += 1

    def run(self, work: Callable[[], None]) -> None:
        """Call `work` here and on every helper that is free; back when all calls are, unless an
        interrupt ends the wait.

        `work` raises nothing, and returns at once where nothing is left to do.
        """
        done: SimpleQueue[None] = SimpleQueue()
        tasks = [_Task([work], done) for _ in range(self._number)]
        for task in tasks:
            self._tasks.put(task)
        work()
        for task in tasks:
            try:
                task.work.pop()  # no helper was free
            except IndexError:
                done.get()


def _help(tasks: "SimpleQueue[_Task | None]") -> None:
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


def _dismiss(tasks: "SimpleQueue[_Task | None]", number: int) -> None:
    for _ in range(number):
        tasks.put(None)
