"""Which rows are held out of training."""

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float32
from train.errors import DataError

_MOST_SPLIT_AT_ONCE = 1 << 20


def held_out(labels: Float32, fraction: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which rows to hold out, as a mask (n,): at random, with the same share of each class.

    Up to 2²⁰ rows are split by scikit-learn's stratified train_test_split. Of more, each row is
    drawn independently, which keeps the shares too (but for chance) and needs little memory.
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
    from sklearn.model_selection import train_test_split

    try:
        _, holdout = train_test_split(
            np.arange(len(labels)), test_size=fraction, random_state=seed, stratify=labels
        )
    except ValueError as reason:
        raise DataError(
            f"cannot hold out {fraction:g} of {len(labels)} rows ({reason}): "
            "give more rows, another fraction, or data.holdout = 0"
        ) from None
    out = np.zeros(len(labels), bool)
    out[holdout] = True
    return out
