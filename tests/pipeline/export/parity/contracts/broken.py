"""Predictors whose scores are changed on purpose, put in the place of the true ones."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from export.formats.artifact import Scores
from export.parity.contracts import check
from serve_runtime import Predictor
from serve_runtime.errors import RowError
from serve_runtime.inference.block_scorer import BOTH, PROBA

Change = Callable[[Predictor, Any, np.ndarray, np.ndarray], Scores]
"""Takes the Predictor, what it was asked, and its true scores."""


def nudged(where: Callable[[Predictor, Any], object]) -> Change:
    """One unit in the last place on every logit, where `where` says so."""
    return lambda predictor, x, z, p: (
        np.nextafter(z, np.float32(np.inf)) if where(predictor, x) else z, p
    )  # fmt: skip


def alike(change: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Change:
    """Another probability that depends on nothing but the logit, so that all bits are the same."""
    return lambda predictor, x, z, p: (z, change(z, p).astype(np.float32))


def true(predictor: Predictor, x: Any, z: np.ndarray, p: np.ndarray) -> Scores:
    """No change."""
    return z, p


def broken(
    change: Change,
    monkeypatch: pytest.MonkeyPatch,
    negative: Callable[[Any, np.ndarray, np.ndarray], np.ndarray] = lambda x, z, p: p,
    module: ModuleType = check,
) -> None:
    """Change the scores of every Predictor that `module` makes, by each of its methods.

    `negative` takes what was asked, the logit, and P(negative), which it returns changed.
    """

    class Broken(Predictor):
        def __init__(self, model: Any, *, threads: int = 1) -> None:
            super().__init__(model, threads=threads)
            self.threads = threads

        def scores(self, x: Any) -> Any:
            return change(self, x, *super()._score(BOTH, x, None))

        def _score(self, kind: int, x: Any, out: Any) -> Any:
            found: Any = self.scores(x)
            if kind == PROBA:
                first = negative(x, found[0], super()._score(PROBA, x, None)[:, 0])
                found = np.stack((first, found[1]), axis=1)
            else:
                found = found[kind]
            if out is None:
                return found
            out[...] = found
            return out

    monkeypatch.setattr(module, "Predictor", Broken)


def lenient(
    lets_pass: Callable[[Predictor, Any, RowError], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Predictors whose scores are 0 in place of some errors, by each of their methods."""

    class Lenient(Predictor):
        def __init__(self, model: Any, *, threads: int = 1) -> None:
            super().__init__(model, threads=threads)
            self.threads = threads

        def _score(self, kind: int, x: Any, out: Any) -> Any:
            try:
                return super()._score(kind, x, out)
            except RowError as reason:
                if not lets_pass(self, x, reason):
                    raise
                shape = {PROBA: (count(x), 2), BOTH: (2, count(x))}.get(kind, count(x))
                return np.zeros(shape, np.float32)

    monkeypatch.setattr(check, "Predictor", Lenient)


def count(x: Any) -> int:
    """The rows of an array, of named columns or of a list of rows."""
    return len(next(iter(x.values())) if isinstance(x, dict) else x)
