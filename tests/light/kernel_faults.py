"""Faults of processors, as a session shows them: each changes what onnxruntime computed."""

from functools import cache

import numpy as np

from serve_runtime.error_budgets import sigmoid
from serve_runtime.inference import inner_blocks, sessions

FLT_MAX = np.finfo(np.float32).max


def install(monkeypatch, fault):
    """Let every session that is opened from now on have `fault`.

    `fault(features, logit, probability)` changes the last two in place: arrays (n,), or None where
    the session does not give them; `features` are rows (n, d), columns (d, n) or logits (n,).
    """

    class Faulty(sessions.Session):
        def run(self, features):
            outputs = super().run(features)
            fault(features, *self._scores(outputs))
            return outputs

        def run_with(self, features, offset):
            outputs = super().run_with(features, offset)
            fault(features, *self._scores(outputs))
            return outputs

        def bind(self, features, *outputs, further=()):
            run = super().bind(features, *outputs, further=further)

            def faulty():
                given = features.copy()  # logits are bound to be read and given back
                run()
                fault(given, *self._scores(outputs))

            return faulty

        def _scores(self, outputs):
            named = dict(zip(self._outputs, (o.reshape(-1) for o in outputs), strict=True))
            return named.get("logit"), named.get("probability")

    monkeypatch.setattr(sessions, "Session", Faulty)
    monkeypatch.setattr(inner_blocks, "Session", Faulty)
    afresh = cache(inner_blocks.sums_depend_on_rows.__wrapped__)
    monkeypatch.setattr(inner_blocks, "sums_depend_on_rows", afresh)


def falls(features, logit, probability):
    """The probability of one logit is two steps too large."""
    if probability is not None and features.ndim == 1:
        at = features == np.nextafter(np.float32(-0.3), np.float32(-1))
        probability[at] += np.float32(2.0**-24)


def falls_in_the_negative(features, logit, probability):
    """The same at a positive logit, as P(negative) of a negative one has it."""
    if probability is not None and features.ndim == 1:
        at = features == np.nextafter(np.float32(17), np.float32(18))
        probability[at] -= np.float32(1.2e-7)


def clamps(features, logit, probability):
    """NaN and infinities of the logit become ±FLT_MAX, as in kernels that clamp."""
    if logit is not None and features.ndim == 2:
        np.nan_to_num(logit, copy=False, nan=FLT_MAX, posinf=FLT_MAX, neginf=-FLT_MAX)


def clamps_before(bias):
    """`clamps`, by a kernel that adds the bias afterwards."""

    def fault(features, logit, probability):
        if logit is not None and features.ndim == 2:
            bad = ~np.isfinite(logit)
            clamps(features, logit, probability)
            with np.errstate(over="ignore"):
                logit[bad] += np.float32(bias)

    return fault


def scores_nan(features, logit, probability):
    """NaN of the logit becomes 0."""
    if logit is not None and features.ndim == 2:
        np.nan_to_num(logit, copy=False, posinf=np.inf, neginf=-np.inf)


def infects_the_first(features, logit, probability):
    """A row that cannot be scored makes the first one NaN too."""
    if logit is not None and features.ndim == 2 and not np.isfinite(logit).all():
        logit[0] = np.nan


def sums_by_rows(features, logit, probability):
    """More than 128 features are summed in another order in up to 64 rows."""
    if logit is not None and features.ndim == 2:
        rows = len(logit)
        if features.size > 128 * rows and rows <= 64:
            logit *= np.float32(1 + 2.0**-20)
            if probability is not None:
                probability[:] = sigmoid(logit)


def one_alone_otherwise(features, logit, probability):
    """The sigmoid of one logit alone takes another path."""
    if features.size == 1 and probability is not None:
        probability *= np.float32(1 + 2.0**-22)


def last_of_five_otherwise(features, logit, probability):
    """Batches that are no multiple of 4 have other bits in their last probability."""
    if probability is not None and len(probability) % 4:
        probability[-1] *= np.float32(1 + 2.0**-22)
