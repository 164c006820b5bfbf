"""Probabilities of the table's own shares, of a model that was trained with weights of classes."""

import math
from collections.abc import Callable

import numpy as np

from serve_runtime.arrays import Float32
from serve_runtime.shown import quoted
from train.recipe.model_keys import Model
from train.tables.labels import Classes
from train.tables.weights import ByClass


def prior_shift(weights: ByClass) -> float:
    """By how much weights of classes raise the logits of a model that fits: log(w₊/w₋).

    Taken from the intercept, it leaves the probabilities of the table's own shares (King and Zeng
    2001, Logistic Regression in Rare Events Data: prior correction).
    """
    negative, positive = weights
    return math.log(positive) - math.log(negative)


def with_prior(
    theta: Float32,
    weights: ByClass | None,
    classes: Classes,
    asked: Model,
    say: Callable[[str], object],
) -> Float32:
    """`theta` (d + 1,), trained with `weights` of the classes, with the bias that is served: less
    `prior_shift`, unless it is `asked` not to. `say` is told what was done."""
    if weights is None:
        return theta
    (negative, positive), (other, label) = weights, map(quoted, classes.labels)
    counts = f"class weights: {label} counts {positive:.4g}, {other} {negative:.4g}"
    if asked.prior_correction is False:
        say(f"{counts}; probabilities are those of rows that count so")
        return theta
    shift = prior_shift(weights)
    say(
        f"{counts}; {shift:.4g}, the log of their ratio, is taken from the intercept again, so "
        "that probabilities are those of the data (--no-prior-correction leaves it)"
    )
    return np.append(theta[:-1], np.float32(theta[-1] - shift))
