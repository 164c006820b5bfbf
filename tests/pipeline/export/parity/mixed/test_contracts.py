"""The contracts on raw rows: true of a bundle as it is, and each catches what breaks it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.errors import ParityError
from export.formats.artifact import Score, Scores
from export.formats.onnxruntime_scorer import onnx_score
from export.parity.contracts import check
from export.parity.contracts.file_itself import same_as_file
from export.parity.contracts.in_layout import LayoutPredictor
from export.parity.contracts.monotone import monotone_in_logit
from export.parity.corpus import proof_batches
from export.parity.encoded_model import EncodedModel, without_overflow
from export.parity.mixed import contracts as mixed
from export.parity.mixed.contracts import bad_rows
from export.parity.proof_rows import ProofBatch
from export.parity.scorers import THREADS
from pipeline.export.bundle_files import card_of
from pipeline.export.mixed_bundles import model_of
from pipeline.export.parity.contracts.broken import Change, alike, broken, count, lenient, nudged
from serve_runtime import Predictor
from serve_runtime.arrays import COLUMNS
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.errors import LevelError, NonFiniteError, RowError
from serve_runtime.features.raw_rows import RawRows
from serve_runtime.inference.block_scorer import LOGIT, PROBA, PROBABILITY

NAME = MODEL_FILES[COLUMNS]


@dataclass(frozen=True)
class Served:
    """The files of a bundle, and rows of its proof."""

    folder: Path
    model: EncodedModel
    batches: dict[str, ProofBatch]

    @property
    def random(self) -> RawRows:
        return self._rows("random rows")

    @property
    def sweep(self) -> RawRows:
        return self._rows("logit sweep")

    @property
    def score(self) -> Score:
        """The file in onnxruntime itself."""
        return onnx_score((self.folder / NAME).read_bytes(), COLUMNS, self.model.encoding)

    @property
    def one(self) -> LayoutPredictor:
        return self._predictor(1)

    @property
    def several(self) -> LayoutPredictor:
        return self._predictor(THREADS)

    def _rows(self, name: str) -> RawRows:
        found = without_overflow(self.batches[name].rows, self.model)
        assert isinstance(found, RawRows)
        return found

    def _predictor(self, threads: int) -> LayoutPredictor:
        """A Predictor as check_contracts makes it: a broken one, where a test has broken them."""
        return LayoutPredictor(COLUMNS, check.Predictor(self.folder / NAME, threads=threads),
                               threads)  # fmt: skip


@pytest.fixture(scope="module")
def served(mixed: Path) -> Served:
    model = model_of(mixed)
    sample = RawRows(np.empty((len(model.encoding.numbers), 0)),
                     tuple(() for _ in model.encoding.categories))  # fmt: skip
    batches = proof_batches(card_of(mixed), model, sample)
    return Served(mixed, model, {batch.name: batch for batch in batches})


def test_every_contract_holds(served: Served) -> None:
    shown = check.check_contracts(served.folder, served.batches, served.model)
    assert list(shown) == [
        "same bits alone, in any batch, of any kind, at any threads, by every method",
        "probability in [0, 1] and rising with the logit",
        "logit monotone in each number by the sign of its weight",
        "logit as high as a bent number is on its curve",
        "a row that cannot be scored is refused",
        "a neighbour that is refused changes nothing",
        "same bits as the file in onnxruntime itself",
        "probability right and rising from each float32 logit to the next",
    ]
    bits, rising, numbers, bent, refused, neighbours, file, _ = shown.values()
    assert bits > 2 * 100 * 99
    assert rising == 2 * len(served.sweep) > 2000
    assert numbers > 2 * 3 * 3 * 33
    assert bent > 2 * 2 * 3 * 100
    assert refused == 2 * len(bad_rows(served.model, served.random.take([0]))) * (1 + 2 + 4 * 3)
    assert neighbours == 2 * 16
    assert file > 2 * 1000


def lists(x: Any) -> bool:
    return isinstance(x, list) and isinstance(x[0], list)


def dicts(x: Any) -> bool:
    return isinstance(x, list) and isinstance(x[0], dict)


def gaps(x: Any) -> bool:
    """Whether a batch of lists has a missing text or number."""
    return lists(x) and any(None in row for row in x)


BITS: dict[str, tuple[Change, str]] = {
    "one row of columns": (
        nudged(lambda _, x: isinstance(x, dict) and count(x) == 1), "1 as columns, .*",
    ),
    "a row of a list": (nudged(lambda _, x: lists(x) and count(x) == 1), "1 as lists, .*"),
    "rows as columns": (
        nudged(lambda _, x: isinstance(x, dict) and count(x)), "1 as columns, .*",
    ),
    "rows as lists": (nudged(lambda _, x: lists(x)), "1 as lists, .*"),
    "rows as dicts": (nudged(lambda _, x: dicts(x) and count(x) > 1), "2 as dicts, .*"),
    "batches with gaps": (nudged(lambda _, x: gaps(x) and count(x) > 20), r"\d+ as lists, .*"),
    "a batch of 7": (nudged(lambda _, x: count(x) == 7), "7 as columns, .*"),
    "a batch of some hundred": (nudged(lambda _, x: count(x) == 301), "301 as columns, .*"),
    "its last row": (
        lambda _, x, z, p: (np.append(z[:-1], z[-1:] + np.float32(len(z) > 3)), p),
        "4 as columns, .*",
    ),
    "threads": (
        nudged(lambda s, x: s.threads > 1 and count(x)),  # type: ignore[attr-defined]
        f"1 as columns, .* at {THREADS} threads",
    ),
    "a large batch": (nudged(lambda _, x: count(x) > 5000), r"\d{4,} as columns, .*"),
    "only the probability": (
        lambda _, x, z, p: (z, np.nextafter(p, np.float32(2)) if count(x) == 6 else p),
        "6 as columns, .*",
    ),
    "the sign of zero": (
        lambda _, x, z, p: (np.zeros_like(z) * np.float32(-1 if count(x) == 9 else 1), p),
        "9 as columns, .*",
    ),
}  # fmt: skip
"""What the bits of a row depend on: how, and the batch in which that is noticed."""


@pytest.mark.parametrize("what", BITS)
def test_bits_that_depend_on_anything_are_caught(
    served: Served, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, message = BITS[what]
    broken(change, monkeypatch)
    with pytest.raises(
        ParityError,
        match=rf"^{re.escape(NAME)}: row \d+ has other bits in a batch of {message}, than alone$",
    ):
        mixed.same_in_every_batch(NAME, served.one, served.several, served.random)


@pytest.mark.parametrize("answer", [LOGIT, PROBABILITY, PROBA])
def test_a_method_with_bits_of_its_own_is_caught(
    served: Served, answer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Predictor):
        def _score(self, asked: int, x: Any, out: Any) -> Any:
            found = super()._score(asked, x, out)
            if asked == answer and count(x) > 1:
                found[...] = np.nextafter(found, np.float32(2))
            return found

    monkeypatch.setattr(check, "Predictor", Broken)
    message = "written into an array" if answer == PROBA else "logit and probability alone"
    with pytest.raises(ParityError, match=f"row 0 has other bits in a batch of 2 .*, {message}"):
        mixed.same_in_every_batch(NAME, served.one, served.several, served.random)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda z, p: p * 1.1, r"the probability .* is outside \[0, 1\]"),
        (lambda z, p: np.where(z > 1, p - 0.1, p), "the probability falls from .* at logit"),
        (lambda z, p: p * (1 - 1e-5), "is off the exact sigmoid by"),
    ],
)
def test_a_wrong_probability_is_caught(
    served: Served, change: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(alike(change), monkeypatch)
    with pytest.raises(ParityError, match=message):
        monotone_in_logit(NAME, served.one, served.sweep)


def against(name: str) -> Change:
    """The logit moves a little with a number against the sign of its weight, or without one."""

    def change(predictor: Predictor, x: Any, z: np.ndarray, p: np.ndarray) -> Scores:
        values = np.nan_to_num(x[name].astype(np.float64))
        sign = -1 if z[-1] > z[0] else 1
        return z * np.float32(0) + np.float32(sign) * (values - values.min()).astype(np.float32), p

    return change


@pytest.mark.parametrize("name", ["number 1", "number 2", "precise 3"])
def test_a_number_against_its_weight_is_caught(
    served: Served, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = [column.name for column in served.model.encoding.numbers].index(name)
    assert (served.model.affine.weight[place] == 0) == (name == "number 1")
    broken(against(name), monkeypatch)
    with pytest.raises(ParityError, match=f"the sign of the weight of '{name}' as it rises"):
        mixed.monotone_in_numbers(NAME, served.one, served.model, served.random)


def of_value(error: type[RowError], text: str) -> Callable[[Predictor, Any, RowError], bool]:
    return lambda s, x, e: isinstance(e, error) and text in str(e)


LENIENT: dict[str, tuple[Callable[[Predictor, Any, RowError], bool], str]] = {
    "NaN": (of_value(NonFiniteError, "NaN"), "nan in 'number 0' in a batch of 1 "),
    "inf": (lambda s, x, e: "inf" in str(e), "inf in 'number 0' in a batch of 1 "),
    "an infinite time": (
        lambda s, x, e: "'precise 3'" in str(e), "inf in 'precise 3' in a batch of 1 ",
    ),
    "an unknown level": (
        lambda s, x, e: isinstance(e, LevelError) and "never seen" in str(e),
        "'never seen in training.*' in 'category 1' in a batch of 1 ",
    ),
    "a missing text": (
        lambda s, x, e: isinstance(e, LevelError) and "never seen" not in str(e),
        "None in 'category 1' in a batch of 1 ",
    ),
    **{
        f"{size} rows": (lambda s, x, e, size=size: count(x) == size, f"in a batch of {size} ")
        for size in (2, 5, 17, 69, 300)
    },
    "columns": (lambda s, x, e: isinstance(x, dict), "as columns"),
    "lists": (lambda s, x, e: lists(x), "as lists"),
    "dicts": (lambda s, x, e: dicts(x), "as dicts"),
    "threads": (
        lambda s, x, e: s.threads > 1, f"at {THREADS} threads, ",  # type: ignore[attr-defined]
    ),
    "the first row": (lambda s, x, e: count(x) > 1 and e.row == 0, "row 0 gets a score"),
    "the last row": (lambda s, x, e: count(x) > 2 and e.row == count(x) - 1, "row 4 gets a score"),
}  # fmt: skip
"""Which errors a Predictor does not raise, and the message that says so."""


@pytest.mark.parametrize("what", LENIENT)
def test_a_bad_row_that_gets_a_score_is_caught(
    served: Served, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lets_pass, message = LENIENT[what]
    lenient(lets_pass, monkeypatch)
    with pytest.raises(ParityError, match=message):
        refuse(served)


def refuse(served: Served) -> int:
    rows = served.random
    return mixed.bad_rows_are_refused(NAME, served.one, served.several, served.model, rows)


def test_a_predictor_that_refuses_everything_passes(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The undamaged counterpart of the tests around."""
    lenient(lambda s, x, e: False, monkeypatch)
    assert refuse(served) > 150


def test_bad_rows_are_of_every_kind(served: Served) -> None:
    found = bad_rows(served.model, served.random.take([0]))
    columns = {column.name: column for column in served.model.encoding.columns}
    assert {f"{sign}inf in {c.name!r}" for c in served.model.encoding.numbers for sign in ("", "-")
            } <= {*found}  # fmt: skip
    for name, column in columns.items():
        assert (f"nan in {name!r}" in found) == (name in ("number 0", "precise 3"))
        assert (f"None in {name!r}" in found) == (name == "category 1")
        unknown = any(what.endswith(f" in {name!r}") and "never" in what for what in found)
        assert unknown == (column.unknown == "error")


@pytest.mark.parametrize("method", ["probability", "decision_function", "predict_proba",
                                    "predict", "scores"])  # fmt: skip
def test_a_method_that_lets_bad_rows_pass_is_caught(
    served: Served, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def passing(self: Predictor, x: Any) -> Any:
        try:
            return getattr(Predictor, method)(self, x)
        except RowError:
            return None

    monkeypatch.setattr(check, "Predictor", type("Lenient", (Predictor,), {method: passing}))
    with pytest.raises(ParityError, match=rf": {method} in columns .*row \d+ gets a score"):
        refuse(served)


def test_another_row_in_the_error_is_caught(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Misleading(Predictor):
        def _score(self, kind: int, x: Any, out: Any) -> Any:
            try:
                return super()._score(kind, x, out)
            except RowError as reason:
                raise reason.at(reason.row + 1, "another row") from None

    monkeypatch.setattr(check, "Predictor", Misleading)
    with pytest.raises(ParityError, match=r"in a batch of 1 .*: row 0 is bad, row 1 is refused$"):
        refuse(served)


def test_a_neighbour_that_changes_a_score_is_caught(served: Served) -> None:
    true = served.score

    def leaking(rows: RawRows) -> Scores:
        z, p = true(rows)
        with np.errstate(all="ignore"):
            return z + 0 * z.sum(), p

    assert mixed.neighbours(NAME, true, served.model, served.random) == 16
    with pytest.raises(ParityError, match="a row that is refused changes the scores of its neigh"):
        mixed.neighbours(NAME, leaking, served.model, served.random)


def test_bits_that_are_always_others_than_the_files_are_caught(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert same_as_file(NAME, served.several, served.score, served.random, served.sweep)
    broken(alike(lambda z, p: np.minimum(np.nextafter(p, np.float32(2)), 1)), monkeypatch)
    with pytest.raises(ParityError, match=f"^{NAME}: a Predictor has other bits than the file"):
        same_as_file(NAME, served.several, served.score, served.random, served.sweep)
