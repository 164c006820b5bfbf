"""What holds between scores, whatever their values: promises that no tolerance can express.

A row has the same bits alone and in any batch, from any array, at any number of threads; a
probability is in [0, 1], and never falls while the logit rises; a logit never moves against the
sign of a feature's weight; and a neighbour's NaN changes nothing.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from export.corpus import Case
from export.errors import ParityError
from export.oracles import THREADS
from export.runtime import scorer
from serve_runtime.artifact import MODEL_FILES, read_bytes
from serve_runtime.budgets import Float32
from serve_runtime.predictor import Predictor
from train.affine import Affine

_LONGEST = 33
_FEATURES = 64
"""Most features whose monotony is tried; of wide models, evenly spaced ones."""
_STEPS = 33
_VALUES = 1 << 22
"""Most values in the large batch."""


def check(folder: Path, cases: Mapping[str, Case], affine: Affine) -> dict[str, int]:
    """Hold both graphs in `folder` to every contract; returns how many rows showed each.

    Raises ParityError naming the contract, the file and the row.
    """
    shown: dict[str, int] = {}
    random, sweep = (_safe(cases[name].rows, affine) for name in ("random rows", "logit sweep"))
    if not len(random):
        raise ParityError(
            f"{folder}: every row within the training ranges overflows float32: check the units of "
            "the features"
        )
    for layout, name in MODEL_FILES.items():
        path = folder / name
        one, several = Predictor(path), Predictor(path, threads=THREADS)
        for contract, rows in (
            ("same bits alone, in any batch, from any array, at any threads",
             _same_bits(name, one, several, random)),
            ("probability in [0, 1] and rising with the logit",
             _monotone_in_logit(name, one, sweep)),
            ("logit monotone in each feature by the sign of its weight",
             _monotone_in_features(name, one, affine, random)),
            ("a neighbour's NaN changes nothing",
             _neighbours(name, read_bytes(path), layout, random)),
        ):  # fmt: skip
            shown[contract] = shown.get(contract, 0) + rows
    return shown


def _safe(rows: Float32, affine: Affine) -> Float32:
    """The rows whose terms cannot overflow: a Predictor refuses the others."""
    return rows[np.isfinite(affine.reference(rows)[1])]


def _same_bits(name: str, one: Predictor, several: Predictor, rows: Float32) -> int:
    rows = rows[: 3 * _LONGEST]
    alone = [one.scores(row[None]) for row in rows]
    expected = np.concatenate(alone, axis=1)
    shown = 0
    for how, part, scores in _askings(one, several, rows):
        if not np.array_equal(np.stack(scores).view(np.uint32), expected[:, part].view(np.uint32)):
            raise ParityError(f"{name}: rows {part.start} to {part.stop - 1} have other bits {how} "
                              "than each alone")  # fmt: skip
        shown += part.stop - part.start
    return shown


def _askings(
    one: Predictor, several: Predictor, rows: Float32
) -> Iterator[tuple[str, slice, tuple[Float32, Float32]]]:
    """The same rows in every batch and array: how, which, and their scores."""
    for size in range(min(_LONGEST, len(rows)) + 1):
        for start in {0, min(size % 5, len(rows) - size)}:
            part = slice(start, start + size)
            yield f"in a batch of {size}", part, one.scores(rows[part])
            yield f"in a batch of {size} at {THREADS} threads", part, several.scores(rows[part])
    times = max(2, min(101, _VALUES // rows.size))
    whole, tiled = slice(0, len(rows)), np.tile(rows, (times, 1))
    logit, probability = several.scores(tiled)
    for start in range(0, len(tiled), 10 * len(rows)):
        part = slice(start, start + len(rows))
        yield f"at {start} of a large batch", whole, (logit[part], probability[part])
    read_only = rows.copy()
    read_only.flags.writeable = False
    arrays = {
        "of a Fortran-ordered array": np.asfortranarray(rows),
        "of a negatively strided array": np.ascontiguousarray(rows[::-1, ::-1])[::-1, ::-1],
        "of every other row of an array": np.repeat(rows, 2, axis=0)[::2],
        "of a read-only array": read_only,
        "of a float64 array": rows.astype(np.float64),
    }
    for how, array in arrays.items():
        yield how, whole, one.scores(array)


def _monotone_in_logit(name: str, predictor: Predictor, rows: Float32) -> int:
    logit, probability = predictor.scores(rows)
    order = np.argsort(logit, kind="stable")
    logit, probability = logit[order], probability[order]
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ParityError(f"{name}: a probability is outside [0, 1]")
    # Over equal logits this compares in arbitrary order, so these must have equal bits.
    fallen = np.flatnonzero(np.diff(probability) < 0)
    if len(fallen):
        i = int(fallen[0])
        raise ParityError(
            f"{name}: the probability falls from {probability[i]!s} at logit {logit[i]!s} to "
            f"{probability[i + 1]!s} at {logit[i + 1]!s}"
        )
    return len(rows)


def _monotone_in_features(name: str, predictor: Predictor, affine: Affine, rows: Float32) -> int:
    shown, width = 0, len(affine.weight)
    for feature in np.unique(np.linspace(0, width - 1, min(width, _FEATURES)).astype(int)):
        values = _rising(rows[:, feature])
        for base in rows[:3]:
            stepped = np.repeat(base[None], len(values), axis=0)
            stepped[:, feature] = values
            stepped = _safe(stepped, affine)
            moved = np.diff(predictor.decision_function(stepped))
            sign = np.sign(affine.weight[feature])
            if (moved * sign < 0).any() or (sign == 0 and moved.any()):
                raise ParityError(
                    f"{name}: the logit moves against the sign of the weight of feature {feature} "
                    f"as it rises from {values[0]!s} to {values[-1]!s}"
                )
            shown += len(stepped)
    return shown


def _rising(values: Float32) -> Float32:
    """Sorted finite values: neighbouring float32 values, and the range of what was seen."""
    start = np.full(_STEPS, values[0], np.float32).view(np.int32)
    close = (start + np.arange(_STEPS, dtype=np.int32)).view(np.float32)
    spread = np.linspace(float(values.min()), float(values.max()), _STEPS).astype(np.float32)
    both = np.concatenate((close, spread))
    return np.sort(both[np.isfinite(both)])


def _neighbours(name: str, content: bytes, layout: str, rows: Float32) -> int:
    """Of a whole batch, so that padding plays no part; asked of the graph, which takes NaN."""
    rows = rows[: min(32, len(rows) - len(rows) % 4)].copy()
    score = scorer(content, layout)
    before = np.stack(score(rows))
    rows[::2, :: max(1, rows.shape[1] // 8)] = np.nan
    rows[2::4, 0] = np.inf
    after = np.stack(score(rows))
    if not np.array_equal(before[:, 1::2].view(np.uint32), after[:, 1::2].view(np.uint32)):
        raise ParityError(f"{name}: NaN or infinity in a row changes the scores of its neighbours")
    return len(rows) // 2
