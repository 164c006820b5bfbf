"""Every contract holds for what is exported, and a scorer that breaks one is caught by it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from export.errors import ParityError
from export.formats.artifact import Score, Scores
from export.parity import contracts
from export.parity.scorers import THREADS
from pipeline.export.bundle_files import Model
from pipeline.export.parity.all_contracts import BITS, check
from serve_runtime import Predictor
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.inference.block_scorer import LOGIT, PROBA, PROBABILITY

# Broken Predictors.

Change = Callable[[Predictor, Any, np.ndarray, np.ndarray], Scores]
"""Takes the Predictor, what it was asked, and its true scores."""


def nudged(where: Callable[[Predictor, Any], object]) -> Change:
    """One unit in the last place on every logit, where `where` says so."""
    return lambda predictor, x, z, p: (
        np.nextafter(z, np.float32(np.inf)) if where(predictor, x) else z, p
    )  # fmt: skip


def broken(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Predictor):
        def __init__(self, model: Any, *, threads: int = 1) -> None:
            super().__init__(model, threads=threads)
            self.threads = threads

        def scores(self, x: Any) -> Any:
            return change(self, x, *super().scores(x))

        def _score(self, kind: int, x: Any, out: Any) -> Any:
            scores = self.scores(x)
            found = np.stack(scores, axis=1) if kind == PROBA else scores[kind]
            if out is None:
                return found
            out[...] = found
            return out

    monkeypatch.setattr(contracts, "Predictor", Broken)


def count(x: Any) -> int:
    return len(x if isinstance(x, np.ndarray) else next(iter(x.values())))


def fortran(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.flags.f_contiguous and not x.flags.c_contiguous


def negative(x: Any) -> bool:
    return isinstance(x, np.ndarray) and min(x.strides) < 0


def every_other(x: np.ndarray) -> bool:
    return not x.flags.c_contiguous and not fortran(x) and not negative(x)


BITS_BROKEN: dict[str, tuple[Change, str]] = {
    "alone": (nudged(lambda _, x: count(x) == 1), "0 to 1 have other bits in a batch of 2 than"),
    "batch of 7": (nudged(lambda _, x: count(x) == 7), "have other bits in a batch of 7 than each"),
    "odd batches": (
        nudged(lambda _, x: count(x) > 4 and count(x) % 2), "have other bits in a batch of 5 than",
    ),
    "its last row": (
        lambda _, x, z, p: (np.append(z[:-1], z[-1:] + np.float32(len(z) > 3)), p),
        "have other bits in a batch of 4 than each alone",
    ),
    "threads": (
        nudged(lambda s, _: s.threads > 1),  # type: ignore[attr-defined]
        f"0 to 0 have other bits in a batch of 1 at {THREADS} threads than each alone",
    ),
    "the size of a large batch": (
        nudged(lambda _, x: count(x) > 5000), "0 to 98 have other bits at 0 of a large batch",
    ),
    "the place in a large batch": (
        lambda _, x, z, p: (z + np.float32(0.5) * (np.arange(len(z)) > 5000), p),
        r"have other bits at \d{4} of a large batch",
    ),
    "the order of an array": (nudged(lambda _, x: fortran(x)), "bits of a F-ordered array"),
    "the strides of an array": (
        nudged(lambda _, x: negative(x)), "bits of a negatively strided array",
    ),
    "the gaps of an array": (
        nudged(lambda _, x: every_other(x)), "bits of every other row of an array",
    ),
    "the flags of an array": (
        nudged(lambda _, x: not x.flags.writeable), "bits of a read-only array",
    ),
    "the type of an array": (
        nudged(lambda _, x: x.dtype == np.float64), "bits of a float64 array",
    ),
    "only the probability": (
        lambda _, x, z, p: (z, np.nextafter(p, np.float32(2)) if count(x) == 6 else p),
        "have other bits in a batch of 6 than each alone",
    ),
    "the sign of zero": (
        lambda _, x, z, p: (np.zeros_like(z) * np.float32(-1 if count(x) == 9 else 1), p),
        "have other bits in a batch of 9 than each alone",
    ),
}  # fmt: skip
"""What the bits of a row depend on: how, and the message that says so."""


@pytest.mark.parametrize("what", BITS_BROKEN)
def test_bits_that_depend_on_anything_are_caught(
    model: Model, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, message = BITS_BROKEN[what]
    broken(change, monkeypatch)
    with pytest.raises(ParityError, match=rf"^model\.(columnar\.)?onnx: rows .*{message}"):
        check(model)


def test_a_predictor_that_is_changed_in_no_way_passes(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The undamaged counterpart of the tests around."""
    broken(lambda predictor, x, z, p: (z, p), monkeypatch)
    assert check(model)[BITS] > 2 * 33 * 34


@pytest.mark.parametrize("kind", ["rows", "columns"])
def test_only_one_broken_graph_is_named(
    model: Model, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(
        nudged(lambda s, x: count(x) == 7 and isinstance(x, dict) == (kind == "columns")),
        monkeypatch,
    )
    name = MODEL_FILES[kind].replace(".", r"\.")
    with pytest.raises(ParityError, match=rf"^{name}: rows 0 to 6 have other bits in a batch of 7"):
        check(model)


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

    monkeypatch.setattr(contracts, "Predictor", Broken)
    message = "written into an array" if answer == PROBA else "logit and probability alone"
    with pytest.raises(ParityError, match=f"have other bits in a batch of 1, {message} than each"):
        check(model)


def test_bits_that_are_always_others_than_the_files_are_caught(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(nudged(lambda predictor, x: True), monkeypatch)
    with pytest.raises(
        ParityError, match=r"^model\.onnx: a Predictor has other bits than the file"
    ):
        check(model)


def alike(change: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Change:
    """Another probability that depends on nothing but the logit, so that all bits are the same."""
    return lambda predictor, x, z, p: (z, change(z, p).astype(np.float32))


RISING_BROKEN: dict[str, tuple[Change, str]] = {
    "above 1": (alike(lambda z, p: p * np.float32(1.0000001)), r"a probability is outside \[0, 1]"),
    "below 0": (alike(lambda z, p: p - np.float32(1e-7)), r"a probability is outside \[0, 1]"),
    "NaN": (alike(lambda z, p: np.where(z > 90, np.nan, p)), r"a probability is outside \[0, 1]"),
    "falling": (
        alike(lambda z, p: np.where(z > 3, p * np.float32(0.9), p)),
        r"the probability falls from 0\.95\d+ at logit 2\.9\d+ to "
        r"0\.85\d+ at 3\.0\d+",
    ),
    "one step back": (
        alike(lambda z, p: np.where((z > -18) & (z < -17.9), np.float32(1e-9), p)),
        r"the probability falls from .* at logit -18\.\d+ to .* at -17\.\d+",
    ),
    "P(negative)": (alike(lambda z, p: 1 - p), "the probability falls from"),
}


@pytest.mark.parametrize("what", RISING_BROKEN)
def test_a_probability_that_leaves_its_range_or_falls_is_caught(
    model: Model, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, message = RISING_BROKEN[what]
    broken(change, monkeypatch)
    with pytest.raises(ParityError, match=rf"^model\.onnx: {message}"):
        check(model)


@pytest.mark.parametrize("feature", range(3))
def test_a_logit_that_moves_against_its_weight_is_caught(model: Model, feature: int) -> None:
    """The model itself is sound; the weights that it is held against have one sign turned."""
    weight = model.affine.weight.copy()
    weight[feature] *= -1
    with pytest.raises(
        ParityError,
        match=rf"^model\.onnx: the logit moves against .* of feature {feature} as it rises",
    ):
        check(replace(model, affine=replace(model.affine, weight=weight)))


@pytest.mark.parametrize("feature", range(3))
def test_a_logit_that_moves_without_a_weight_is_caught(model: Model, feature: int) -> None:
    weight = model.affine.weight.copy()
    weight[feature] = 0
    with pytest.raises(ParityError, match=rf"the logit moves .* of feature {feature} as it rises"):
        check(replace(model, affine=replace(model.affine, weight=weight)))


def test_a_logit_that_falls_back_one_step_is_caught(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel with a step at 0 in one feature, against the sign of its weight."""

    def dented(predictor: Predictor, x: Any, z: np.ndarray, p: np.ndarray) -> Scores:
        values = np.asarray(x, np.float32)[:, 0]
        against = -np.sign(model.affine.weight[0])
        return z + np.float32(0.25) * against * (values > 0), p

    broken(dented, monkeypatch)
    with pytest.raises(ParityError, match=r"moves against the sign .* of feature 0 as it rises"):
        check(model)


# Broken graphs.


def test_a_neighbour_that_changes_a_score_is_caught(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = contracts.onnx_score

    def onnx_score(content: bytes, layout: str) -> Score:
        score = true(content, layout)

        def leaking(rows: np.ndarray) -> Scores:
            z, p = score(rows)
            with np.errstate(all="ignore"):
                return z + 0 * z.sum(), p

        return leaking

    check(model)
    monkeypatch.setattr(contracts, "onnx_score", onnx_score)
    with pytest.raises(
        ParityError,
        match=r"^model\.onnx: NaN or infinity in a row changes the scores of its neighbours",
    ):
        check(model)
