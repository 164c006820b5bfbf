"""Contracts: what holds between the scores of several rows, whatever their values.

No tolerance can express them, so each is tried by itself.

A row has the same bits alone and in any batch, from any array, at any number of threads; a
probability is in [0, 1], and never falls while the logit rises; a logit never moves against the
sign of a feature's weight; and a neighbour's NaN changes nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from export.errors import ParityError
from export.formats.artifact import Scores
from export.formats.onnxruntime_scorer import onnx_score
from export.parity.proof_rows import ProofBatch
from export.parity.scorers import THREADS
from serve_runtime.arrays import ROWS, Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.predictor import Predictor

_LONGEST = 33
_FEATURES = 64
"""Most features that are tried for monotony; of wide models, evenly spaced ones."""
_STEPS = 33
_VALUES = 1 << 22
"""Most values in the large batch."""


def check(folder: Path, batches: Mapping[str, ProofBatch], affine: Affine) -> dict[str, int]:
    """Check every contract on both ONNX files in `folder`; returns how many rows showed each.

    Raises ParityError naming the contract, the file and the row.
    """
    shown: dict[str, int] = {}
    random, sweep = (_safe(batches[name].rows, affine) for name in ("random rows", "logit sweep"))
    if not len(random):
        raise ParityError(
            f"{folder}: every row within the training ranges overflows float32: check the units of "
            "the features"
        )
    for layout, name in MODEL_FILES.items():
        path = folder / name
        one, several = (_LayoutPredictor(layout, Predictor(path, threads=t)) for t in (1, THREADS))
        content = read_bytes(path)
        for contract, rows in (
            ("same bits alone, in any batch, from any array, at any threads, by every method",
             _same_bits(name, one, several, random)),
            ("probability in [0, 1] and rising with the logit",
             _monotone_in_logit(name, one, sweep)),
            ("logit monotone in each feature by the sign of its weight",
             _monotone_in_features(name, one, affine, random)),
            ("a neighbour's NaN changes nothing",
             _neighbours(name, content, layout, random)),
            ("same bits as the file in onnxruntime itself",
             _same_as_file(name, several, content, random, sweep)),
        ):  # fmt: skip
            shown[contract] = shown.get(contract, 0) + rows
    return shown


@dataclass(frozen=True)
class _LayoutPredictor:
    """A Predictor that is given its rows in one layout."""

    layout: str
    predictor: Predictor

    def in_layout(self, rows: Float32) -> Any:
        """The rows as named columns, or as they are."""
        if self.layout == ROWS:
            return rows
        return dict(zip(self.predictor.card.feature_names, rows.T, strict=True))

    def scores(self, rows: Float32) -> Scores:
        """Logit and probability of the rows (n, d), which are passed in the layout."""
        return self.predictor.scores(self.in_layout(rows))

    def one_by_one(self, rows: Float32) -> Scores:
        """The same scores by the methods that give one of the two each."""
        x = self.in_layout(rows)
        return self.predictor.decision_function(x), self.predictor.probability(x)

    def into_arrays(self, rows: Float32) -> Scores:
        """The same scores, the logits written into an array, the probabilities by predict_proba."""
        x, logit = self.in_layout(rows), np.empty(len(rows), np.float32)
        self.predictor.decision_function(x, out=logit)
        return logit, self.predictor.predict_proba(x)[:, 1].copy()

    def arrays(self, rows: Float32) -> dict[str, Any]:
        """The rows as arrays of every kind in this layout, by what is special about them."""
        order: Literal["C", "F"] = "C" if self.layout == ROWS else "F"
        plain, twice = np.array(rows, order=order), np.repeat(rows, 2, axis=0)
        read_only = plain.copy(order)
        read_only.flags.writeable = False
        return {
            f"of a {order}-ordered array": plain,
            "of a negatively strided array": np.array(rows[::-1, ::-1], order=order)[::-1, ::-1],
            "of every other row of an array": np.array(twice, order=order)[::2],
            "of a read-only array": read_only,
            "of a float64 array": rows.astype(np.float64, order=order),
        }


def _safe(rows: Float32, affine: Affine) -> Float32:
    """The rows whose terms cannot overflow float32; a Predictor may refuse the others."""
    return rows[np.isfinite(affine.reference(rows)[1])]


def _same_bits(name: str, one: _LayoutPredictor, several: _LayoutPredictor, rows: Float32) -> int:
    rows = rows[: 3 * _LONGEST]
    alone = [one.scores(row[None]) for row in rows]
    expected: Float32 = np.concatenate(alone, axis=1)
    shown = 0
    for how, part, scores in _score_every_way(one, several, rows):
        if not _equal(np.stack(scores), expected[:, part]):
            raise ParityError(f"{name}: rows {part.start} to {part.stop - 1} have other bits {how} "
                              "than each alone")  # fmt: skip
        shown += part.stop - part.start
    return shown


def _score_every_way(
    one: _LayoutPredictor, several: _LayoutPredictor, rows: Float32
) -> Iterator[tuple[str, slice, Scores]]:
    """Score rows in batches and arrays of every kind: how, which of them, and their scores."""
    for size in range(min(_LONGEST, len(rows)) + 1):
        for start in {0, min(size % 5, len(rows) - size)}:
            part = slice(start, start + size)
            yield f"in a batch of {size}", part, one.scores(rows[part])
            yield f"in a batch of {size} at {THREADS} threads", part, several.scores(rows[part])
            yield (
                f"in a batch of {size}, logit and probability alone",
                part,
                one.one_by_one(rows[part]),
            )
            yield f"in a batch of {size}, written into an array", part, one.into_arrays(rows[part])
    times = max(2, min(101, _VALUES // rows.size))
    whole, tiled = slice(0, len(rows)), np.tile(rows, (times, 1))
    for how, (logit, probability) in (
        ("a large batch", several.scores(tiled)),
        ("a large batch written into an array", several.into_arrays(tiled)),
    ):
        for start in range(0, len(tiled), 10 * len(rows)):
            part = slice(start, start + len(rows))
            yield f"at {start} of {how}", whole, (logit[part], probability[part])
    for how, array in one.arrays(rows).items():
        yield how, whole, one.predictor.scores(array)


def _same_as_file(
    name: str, predictor: _LayoutPredictor, content: bytes, random: Float32, sweep: Float32
) -> int:
    """A Predictor runs graphs of its own, not the file's; the bits must be the same."""
    score, shown = onnx_score(content, predictor.layout), 0
    for rows in (random, sweep):
        # A Predictor fills batches up to a multiple of 4, the file does not.
        rows = rows[: len(rows) - len(rows) % 4]
        if not _equal(np.stack(predictor.scores(rows)), np.stack(score(rows))):
            raise ParityError(f"{name}: a Predictor has other bits than the file in onnxruntime")
        shown += len(rows)
    return shown


def _equal(scores: Float32, expected: Float32) -> bool:
    return np.array_equal(scores.view(np.uint32), expected.view(np.uint32))


def _monotone_in_logit(name: str, predictor: _LayoutPredictor, rows: Float32) -> int:
    logit, probability = predictor.scores(rows)
    order = np.argsort(logit, kind="stable")
    logit, probability = logit[order], probability[order]
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ParityError(f"{name}: a probability is outside [0, 1]")
    # Rows of equal logits come in any order here, so they must have the same probability.
    fallen = np.flatnonzero(np.diff(probability) < 0)
    if len(fallen):
        i = int(fallen[0])
        raise ParityError(
            f"{name}: the probability falls from {probability[i]!s} at logit {logit[i]!s} to "
            f"{probability[i + 1]!s} at {logit[i + 1]!s}"
        )
    return len(rows)


def _monotone_in_features(
    name: str, predictor: _LayoutPredictor, affine: Affine, rows: Float32
) -> int:
    shown, width = 0, len(affine.weight)
    for feature in np.unique(np.linspace(0, width - 1, min(width, _FEATURES)).astype(int)):
        values = _rising(rows[:, feature])
        for base in rows[:3]:
            stepped = np.repeat(base[None], len(values), axis=0)
            stepped[:, feature] = values
            stepped = _safe(stepped, affine)
            moved = np.diff(predictor.scores(stepped)[0])
            sign = np.sign(affine.weight[feature])
            if (moved * sign < 0).any() or (sign == 0 and moved.any()):
                raise ParityError(
                    f"{name}: the logit moves against the sign of the weight of feature {feature} "
                    f"as it rises from {values[0]!s} to {values[-1]!s}"
                )
            shown += len(stepped)
    return shown


def _rising(values: Float32) -> Float32:
    """Finite values in rising order: neighbouring float32 values, and others all over the range."""
    start = np.full(_STEPS, values[0], np.float32).view(np.int32)
    close = (start + np.arange(_STEPS, dtype=np.int32)).view(np.float32)
    spread = np.linspace(float(values.min()), float(values.max()), _STEPS).astype(np.float32)
    both = np.concatenate((close, spread))
    return np.sort(both[np.isfinite(both)])


def _neighbours(name: str, content: bytes, layout: str, rows: Float32) -> int:
    """Scores before and after other rows became NaN, by the file itself: a Predictor refuses NaN.

    The batch is a multiple of 4 rows, as a Predictor would have filled it up.
    """
    rows = rows[: min(32, len(rows) - len(rows) % 4)].copy()
    score = onnx_score(content, layout)
    before = np.stack(score(rows))
    rows[::2, :: max(1, rows.shape[1] // 8)] = np.nan
    rows[2::4, 0] = np.inf
    after = np.stack(score(rows))
    if not np.array_equal(before[:, 1::2].view(np.uint32), after[:, 1::2].view(np.uint32)):
        raise ParityError(f"{name}: NaN or infinity in a row changes the scores of its neighbours")
    return len(rows) // 2
