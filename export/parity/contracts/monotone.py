"""The contracts of order: probabilities follow the logit, logits follow each feature."""

import numpy as np

from export.errors import ParityError
from export.parity.contracts.in_layout import LayoutPredictor, require_sigmoid
from export.parity.encoded_model import Rows, without_overflow
from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine

_FEATURES = 64
"""Most features that are tried for monotony; of wide models, evenly spaced ones."""
_STEPS = 33


def monotone_in_logit(name: str, predictor: LayoutPredictor, rows: Rows) -> int:
    """P(positive) rises and P(negative) falls with the logit, each the sigmoid of its own logit.

    Returns the number of rows. Raises ParityError naming the file and the logit.
    """
    logit, probability = predictor.scores(rows)
    negative = predictor.predictor.predict_proba(predictor.in_layout(rows))[:, 0]
    # Rows of equal logits come in any order here, so they must have the same probability.
    order = np.argsort(logit, kind="stable")
    require_sigmoid(name, "the probability", logit[order], probability[order])
    # Of the negated logits in their order, P(negative) must not fall either.
    back = order[::-1]
    require_sigmoid(name, "P(negative), by the negated logit,", -logit[back], negative[back])
    return len(rows)


def monotone_in_features(
    name: str, predictor: LayoutPredictor, affine: Affine, rows: Float32
) -> int:
    """The logit moves with the sign of a feature's weight as the feature rises.

    Returns the number of rows. Raises ParityError naming the file, the feature and its values.
    """
    shown, width = 0, len(affine.weight)
    for feature in np.unique(np.linspace(0, width - 1, min(width, _FEATURES)).astype(int)):
        values = _rising(rows[:, feature])
        for base in rows[:3]:
            stepped = np.repeat(base[None], len(values), axis=0)
            stepped[:, feature] = values
            stepped = without_overflow(stepped, affine)
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
