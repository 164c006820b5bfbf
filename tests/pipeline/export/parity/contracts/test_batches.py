"""A Predictor in which the bits of a row depend on anything is caught."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from export.errors import ParityError
from export.parity.contracts import batches, check
from export.parity.contracts.in_layout import LayoutPredictor
from export.parity.scorers import THREADS
from pipeline.export.bundle_files import Model
from pipeline.export.parity.contracts.all_contracts import BITS
from pipeline.export.parity.contracts.all_contracts import check as check_all
from pipeline.export.parity.contracts.broken import Change, broken, count, nudged, true
from serve_runtime import Predictor
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.inference.block_scorer import LOGIT, PROBA, PROBABILITY


def fortran(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.flags.f_contiguous and not x.flags.c_contiguous


def negative(x: Any) -> bool:
    return isinstance(x, np.ndarray) and min(x.strides) < 0


def every_other(x: np.ndarray) -> bool:
    return not x.flags.c_contiguous and not fortran(x) and not negative(x)


BITS_BROKEN: dict[str, tuple[Change, str]] = {
    "alone": (nudged(lambda _, x: count(x) == 1), "in a batch of 2"),
    "batch of 7": (nudged(lambda _, x: count(x) == 7), "in a batch of 7"),
    "odd batches": (
        nudged(lambda _, x: count(x) > 4 and count(x) % 2), "in a batch of 5",
    ),
    "its last row": (
        lambda _, x, z, p: (np.append(z[:-1], z[-1:] + np.float32(len(z) > 3)), p),
        "in a batch of 4",
    ),
    "threads": (
        nudged(lambda s, _: s.threads > 1),  # type: ignore[attr-defined]
        f"in a batch of 1 at {THREADS} threads",
    ),
    "the size of a large batch": (
        nudged(lambda _, x: count(x) > 5000), "among 65537 rows read in place",
    ),
    "the place in a large batch": (
        lambda _, x, z, p: (z + np.float32(0.5) * (np.arange(len(z)) > 5000), p),
        "among 65537 rows read in place",
    ),
    "the order of an array": (nudged(lambda _, x: fortran(x)), "of a F-ordered array"),
    "the strides of an array": (
        nudged(lambda _, x: negative(x)), "of a negatively strided array",
    ),
    "the gaps of an array": (
        nudged(lambda _, x: every_other(x)), "of every other row of an array",
    ),
    "the flags of an array": (
        nudged(lambda _, x: not x.flags.writeable), "of a read-only array",
    ),
    "the type of an array": (
        nudged(lambda _, x: x.dtype == np.float64), "of a float64 array",
    ),
    "a batch of some hundred": (nudged(lambda _, x: count(x) == 390), "in a batch of 390"),
    "one row past a block": (nudged(lambda _, x: count(x) == 257), "in a batch of 257"),
    "two rows past a large block": (
        nudged(lambda _, x: count(x) == 65538 and not isinstance(x, dict)),
        f"among 65538 rows read in place at {THREADS} threads, logit and probability alone",
    ),
    "three rows past a large block": (
        nudged(lambda _, x: count(x) == 65539),
        "among 65539 rows read in place, written into an array",
    ),
    "rows that are converted in blocks": (
        nudged(lambda _, x: count(x) == 65537 and getattr(x, "dtype", None) == np.float64),
        "among 65537 rows converted in blocks",
    ),
    "columns in place": (
        nudged(lambda _, x: fortran(x) and count(x) > 65536),
        "among 65537 columns read in place",
    ),
    "columns one behind the other": (
        nudged(lambda _, x: isinstance(x, dict) and count(x) == 16385),
        "among 16385 columns one behind the other",
    ),
    "columns that are copied in blocks": (
        nudged(lambda _, x: isinstance(x, dict) and count(x) == 65537),
        "among 65537 columns copied in blocks",
    ),
    "columns that are converted at once": (
        nudged(lambda _, x: fortran(x) and count(x) == 1398101),
        "among 1398101 columns converted at once",
    ),
    "one row of columns": (
        nudged(lambda _, x: isinstance(x, np.ndarray) and len(x) == 1 and x.strides[0] == 4),
        "as the first row of a F-ordered array",
    ),
    "only the probability": (
        lambda _, x, z, p: (z, np.nextafter(p, np.float32(2)) if count(x) == 6 else p),
        "in a batch of 6",
    ),
    "the sign of zero": (
        lambda _, x, z, p: (np.zeros_like(z) * np.float32(-1 if count(x) == 9 else 1), p),
        "in a batch of 9",
    ),
}  # fmt: skip
"""What the bits of a row depend on: how, and the message that says so."""


@pytest.mark.parametrize("what", BITS_BROKEN)
def test_bits_that_depend_on_anything_are_caught(
    model: Model, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, message = BITS_BROKEN[what]
    broken(change, monkeypatch)
    with pytest.raises(
        ParityError,
        match=rf"^model\.(columnar\.)?onnx: row \d+ has other bits {message} than alone$",
    ):
        check_all(model)


def test_a_predictor_that_is_changed_in_no_way_passes(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The undamaged counterpart of the tests around."""
    broken(true, monkeypatch)
    assert check_all(model)[BITS] > 2 * 33 * 34


@pytest.mark.parametrize("kind", ["rows", "columns"])
def test_only_one_broken_graph_is_named(
    model: Model, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(
        nudged(lambda s, x: count(x) == 7 and isinstance(x, dict) == (kind == "columns")),
        monkeypatch,
    )
    name = MODEL_FILES[kind].replace(".", r"\.")
    with pytest.raises(ParityError, match=rf"^{name}: row 0 has other bits in a batch of 7 than"):
        check_all(model)


@pytest.mark.parametrize("answer", [LOGIT, PROBABILITY, PROBA])
def test_a_method_with_bits_of_its_own_is_caught(
    model: Model, answer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Predictor):
        def _score(self, asked: int, x: Any, out: Any) -> Any:
            found = super()._score(asked, x, out)
            if asked == answer:
                found[...] = np.nextafter(found, np.float32(2))
            return found

    monkeypatch.setattr(check, "Predictor", Broken)
    message = "written into an array" if answer == PROBA else "logit and probability alone"
    with pytest.raises(
        ParityError, match=f"row 0 has other bits in a batch of 1, {message} than alone"
    ):
        check_all(model)


@pytest.mark.parametrize("size", [7, 257, 390])
def test_p_negative_with_bits_of_its_own_is_caught(
    model: Model, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(
        true,
        monkeypatch,
        lambda x, z, p: np.nextafter(p, np.float32(2)) if count(x) == size else p,
    )
    with pytest.raises(ParityError, match=f"row 0 has other bits in a batch of {size}, written"):
        check_all(model)


def test_wide_rows_past_a_bound_block_are_tried(
    models: Callable[[int, bool], Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 129 features, 124 rows are the most that are copied into bound buffers."""
    broken(nudged(lambda _, x: count(x) == 126), monkeypatch)
    with pytest.raises(ParityError, match=r"row 0 has other bits in a batch of 126 than alone"):
        check_all(models(129, False))


def test_one_feature_may_have_other_bits_as_a_column(
    models: Callable[[int, bool], Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An array (n, 1) is rows however it lies: only what has a name is a column."""
    model = models(1, False)
    broken(nudged(lambda _, x: isinstance(x, dict)), monkeypatch)
    for layout, name in MODEL_FILES.items():
        one, several = (
            LayoutPredictor(layout, check.Predictor(model.folder / name, threads=t), t)
            for t in (1, THREADS)
        )
        rows = model.batches["random rows"].rows
        assert batches.same_in_every_batch(name, one, several, rows) > 500_000
