"""A Predictor that gives a score to a row without a finite logit is caught."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from export.errors import ParityError
from export.parity.contracts import check
from export.parity.contracts.refusals import bad_rows
from pipeline.export.bundle_files import Model, write_graphs
from pipeline.export.parity.contracts.all_contracts import REFUSED
from pipeline.export.parity.contracts.all_contracts import check as check_all
from pipeline.export.parity.contracts.broken import count, lenient
from serve_runtime import Predictor
from serve_runtime.bundle.affine import Affine
from serve_runtime.error_budgets import LARGEST
from serve_runtime.errors import LogitOverflowError, NonFiniteError, RowError

WEIGHT = np.array([3, -2, 1], np.float32)


@pytest.fixture(scope="module")
def steep(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model with which finite values overflow."""
    return write_graphs(
        tmp_path_factory.mktemp("steep"), Affine(WEIGHT, 0.5), -np.ones(3), np.ones(3)
    )


def of_value(text: str) -> Callable[[Predictor, Any, RowError], bool]:
    return lambda s, x, e: isinstance(e, NonFiniteError) and str(e.value) == text


def sized(size: int) -> Callable[[Predictor, Any, RowError], bool]:
    return lambda s, x, e: count(x) == size


LENIENT: dict[str, tuple[Callable[[Predictor, Any, RowError], bool], str]] = {
    "NaN": (of_value("nan"), "nan in feature 0 in a batch of 1: row 0 gets a score"),
    "inf": (of_value("inf"), "inf in feature 1 in a batch of 1: row 0 gets a score"),
    "-inf": (of_value("-inf"), "-inf in feature 2 in a batch of 1: row 0 gets a score"),
    "overflow": (
        lambda s, x, e: isinstance(e, LogitOverflowError),
        r"overflow of (terms|a sum) to [+-]inf in a batch of 1: row 0 gets a score",
    ),
    "2 rows": (sized(2), r"in a batch of 2: row \d gets a score"),
    "5 rows": (sized(5), r"in a batch of 5: row \d gets a score"),
    "17 rows": (sized(17), r"in a batch of 17: row \d+ gets a score"),
    "69 rows": (sized(69), r"in a batch of 69: row \d+ gets a score"),
    "300 rows": (sized(300), r"in a batch of 300: row \d+ gets a score"),
    "a block": (sized(65541), r"in a batch of 65541: row \d+ gets a score"),
    "threads": (
        lambda s, x, e: s.threads > 1 and count(x) > 1e5,  # type: ignore[attr-defined]
        r"at 3 threads, .* in a batch of 174767: row \d+ gets a score",
    ),
    "the first row": (lambda s, x, e: count(x) > 1 and e.row == 0, "row 0 gets a score"),
    "the middle row": (
        lambda s, x, e: 0 < e.row == count(x) // 2 < count(x) - 1, "of 5: row 2 gets a score",
    ),
    "the last row": (
        lambda s, x, e: count(x) > 2 and e.row == count(x) - 1, "of 5: row 4 gets a score",
    ),
    "columns": (
        lambda s, x, e: isinstance(x, dict),
        r"\w+ in columns at \d threads?, .* in a batch of 1: row 0 gets a score",
    ),
}  # fmt: skip
"""Which errors a Predictor does not raise, and the message that says so."""


@pytest.mark.parametrize("what", LENIENT)
def test_a_bad_row_that_gets_a_score_is_caught(
    steep: Model, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lets_pass, message = LENIENT[what]
    lenient(lets_pass, monkeypatch)
    with pytest.raises(ParityError, match=rf"^model\.(columnar\.)?onnx: .*{message}"):
        check_all(steep)


def test_a_predictor_that_refuses_everything_passes(
    steep: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The undamaged counterpart of the tests around: 7 bad rows, by 2 Predictors' 5 methods, at 1
    place of 1 row, 2 places of 2 and 3 places of 4 larger batches, and some of two large ones."""
    lenient(lambda s, x, e: False, monkeypatch)
    assert check_all(steep)[REFUSED] >= 2 * 7 * 2 * 5 * (1 + 2 + 4 * 3) + 2 * 2 * 15


@pytest.mark.parametrize("method", ["probability", "decision_function", "predict_proba",
                                    "predict", "scores"])  # fmt: skip
def test_a_method_that_lets_bad_rows_pass_is_caught(
    steep: Model, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def passing(self: Predictor, x: Any, out: Any = None) -> Any:
        try:
            return getattr(Predictor, method)(self, x, *(() if out is None else (out,)))
        except RowError:
            return None

    monkeypatch.setattr(check, "Predictor", type("Lenient", (Predictor,), {method: passing}))
    with pytest.raises(ParityError, match=rf"^model\.onnx: {method} in rows .* row 0 gets a score"):
        check_all(steep)


def test_another_row_in_the_error_is_caught(steep: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    class Misleading(Predictor):
        def _score(self, kind: int, x: Any, out: Any) -> Any:
            try:
                return super()._score(kind, x, out)
            except RowError as reason:
                raise reason.at(reason.row + 1, "another row") from None

    monkeypatch.setattr(check, "Predictor", Misleading)
    with pytest.raises(ParityError, match=r"in a batch of 1: row 0 is bad, row 1 is refused$"):
        check_all(steep)


@pytest.mark.parametrize("center", [None, np.array([5, -1e30, 0], np.float32)])
def test_bad_rows_overflow_in_any_order(center: np.ndarray | None) -> None:
    found = bad_rows(Affine(WEIGHT, 0.5, center), np.zeros(3, np.float32))
    finite = {what: row for what, row in found.items() if np.isfinite(row).all()}
    assert len(found) == 3 + len(finite) == 7
    with np.errstate(all="ignore"):
        for what, row in finite.items():
            terms = WEIGHT * (row if center is None else row - center)
            for order in permutations((*terms, np.float32(0.5))):
                assert np.add.accumulate(np.array(order))[-1] == float(what[-4:])
    summed = WEIGHT * finite["overflow of a sum to +inf"]
    assert (np.abs(summed) <= LARGEST).all()


def test_small_weights_have_no_rows_that_overflow() -> None:
    found = bad_rows(Affine(np.full(3, 0.5, np.float32), 0.0), np.zeros(3, np.float32))
    assert len(found) == 3
    assert not any(np.isfinite(row).all() for row in found.values())
