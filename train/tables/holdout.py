"""Which rows are held out of training."""

import math

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float32
from train.errors import DataError

_MOST_SPLIT_AT_ONCE = 1 << 20


def held_out(labels: Float32, fraction: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which rows to hold out, as a mask (n,): at random, with the same share of each class.

    Up to 2²⁰ rows are split as scikit-learn's stratified train_test_split would. Of more, each row
    is drawn independently, which keeps the shares too (but for chance) and needs little memory.
    Raises DataError where a class would be missing from the rows to train on.
    """
    if len(labels) > _MOST_SPLIT_AT_ONCE:
        rng = np.random.default_rng(seed)
        parts = np.array_split(np.empty(len(labels), bool), -(-len(labels) >> 20))
        out = np.concatenate([rng.random(len(part), np.float32) < fraction for part in parts])
        if not out.any() or len(np.unique(labels[~out])) < len(np.unique(labels)):
            raise DataError(
                f"cannot hold out {fraction:g} of {len(labels)} rows: no row, or all of a class, "
                "would be held out: give another seed or fraction, or data.holdout = 0"
            )
        return out
    return _stratified(labels, fraction, seed)


def _stratified(labels: Float32, fraction: float, seed: int) -> npt.NDArray[np.bool_]:
    """scikit-learn's train_test_split(test_size=fraction, random_state=seed, stratify=labels).

    The same rows, without its import: that takes as long as a short training.
    """
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    taken = math.ceil(fraction * len(labels))
    if min(counts, default=0) < 2 or min(taken, len(labels) - taken) < len(classes):
        raise DataError(
            f"cannot hold out {fraction:g} of {len(labels)} rows: each class needs a row that is "
            "held out and one to train on: give more rows, another fraction, or data.holdout = 0"
        )
    rng = np.random.RandomState(seed)
    kept = _shares(counts, len(labels) - taken, rng)
    shares = _shares(counts - kept, taken, rng)
    out = np.zeros(len(labels), bool)
    for code, count in enumerate(counts):
        order = rng.permutation(count)
        held = order[kept[code] : kept[code] + shares[code]]
        out[np.flatnonzero(codes == code)[held]] = True
    return out


def _shares(
    counts: npt.NDArray[np.int64], draws: int, rng: np.random.RandomState
) -> npt.NDArray[np.int64]:
    """How many of `draws` rows are of each class, in proportion to `counts`: rounded down, and one
    more for those with the largest remainders, among equal ones at random."""
    exact: npt.NDArray[np.float64] = counts / counts.sum() * draws
    shares = np.floor(exact)
    remainder, missing = exact - shares, draws - int(shares.sum())
    for value in np.unique(remainder)[::-1]:
        if missing <= 0:
            break
        (equal,) = np.nonzero(remainder == value)
        more = rng.choice(equal, size=min(len(equal), missing), replace=False)
        shares[more] += 1
        missing -= len(more)
    return shares.astype(np.int64)
