"""Times calls side by side: each round times every call once, in a new order.

A machine whose speed drifts is then equally slow for all, and a ratio is taken within a round.
pytest-benchmark times one function to its end before it begins the next, and so compares two
states of the machine; that is why it is not used here.
"""

import gc
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from statistics import median

import torch
from threadpoolctl import threadpool_limits

Call = Callable[[], object]

_LEAST = 2e-3
"""Seconds that one measurement takes at least; shorter calls are repeated within it."""

_LONG = 0.1
"""Calls of more seconds than this are not warmed up before each measurement."""


@dataclass(frozen=True)
class Times:
    """The seconds of one call in each round, by the name of the call."""

    seconds: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        """Median seconds of one call."""
        return median(self.seconds[name])

    def ratio(self, name: str, to: str) -> float:
        """Median over the rounds of the time of `name` over the time of `to` in that round."""
        pairs = zip(self.seconds[name], self.seconds[to], strict=True)
        return median(one / other for one, other in pairs)

    def fastest(self, names: Iterable[str]) -> str:
        """Of `names`, the one with the least median."""
        return min(names, key=self.median)

    @property
    def rounds(self) -> int:
        """The number of rounds."""
        return len(next(iter(self.seconds.values())))


def time_in_rounds(calls: Mapping[str, Call], *, seconds: float, rounds: tuple[int, int]) -> Times:
    """Time `calls` in rounds: as many as fit in `seconds`, but `rounds` = (fewest, most).

    A call that takes less than _LEAST seconds is repeated within a measurement. Garbage is not
    collected meanwhile.
    """
    estimates = {name: _estimate(call) for name, call in calls.items()}
    found: dict[str, list[float]] = {name: [] for name in calls}
    order, shuffle = list(calls), random.Random(0).shuffle
    end = time.perf_counter() + seconds
    fewest, most = rounds
    gc.disable()
    try:
        for done in range(most):
            if done >= fewest and time.perf_counter() >= end:
                break
            shuffle(order)
            for name in order:
                found[name].append(_measure(calls[name], estimates[name]))
    finally:
        gc.enable()
    return Times(found)


@contextmanager
def limit_threads(number: int) -> Iterator[None]:
    """Within this context, BLAS (numpy, scikit-learn) and torch compute on `number` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with threadpool_limits(number):
            yield
    finally:
        torch.set_num_threads(before)


def _estimate(call: Call) -> float:
    """Seconds of a call, roughly: of the first if it is long, else of the faster of two more."""
    first = _seconds(call, 1)
    return first if first > _LONG else min(_seconds(call, 1) for _ in range(2))


def _measure(call: Call, estimate: float) -> float:
    _wait_for_idle()
    if estimate < _LONG:
        call()
    number = max(1, round(_LEAST / estimate))
    return _seconds(call, number) / number


def _seconds(call: Call, number: int) -> float:
    start = time.perf_counter()
    for _ in repeat(None, number):
        call()
    return time.perf_counter() - start


def _wait_for_idle() -> None:
    """Wait until no thread of this process computes: onnxruntime's spin for 50 ms after a run."""
    for _ in range(100):
        start = time.process_time()
        time.sleep(0.002)
        if time.process_time() - start < 0.0005:
            return
