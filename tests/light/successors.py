"""Models of which one may replace the other: the same features and classes, other weights."""

import numpy as np

from light.wide import write_bundle
from serve_runtime import GoldenRow, Predictor

ROWS = np.random.default_rng(4).normal(0, 3, (1003, 4)).astype(np.float32)
WEIGHTS = ([1, 2, -3, 0.5], [-1, 2, 0.25, 4])


def golden_of(folder, weight):
    """Golden rows as a session of this machine answers, and so within any budget."""
    scores = Predictor(write_bundle(folder, weight)[1]).scores(ROWS[:2])
    return tuple(
        GoldenRow(tuple(map(float, row)), float(z), float(p), 1e-5)
        for row, z, p in zip(ROWS[:2], *scores, strict=True)
    )


def bundle_of(folder, weight, **card):
    golden = card.pop("golden", None)
    if golden is None:
        golden = golden_of(folder.with_name(f"{folder.name}-bare"), weight)
    return write_bundle(folder, weight, golden=golden, **card)[1]
