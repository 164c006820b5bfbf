"""What the commands say of a proof: a verdict in plain words, or a table of all figures.

Every number is taken from the proof: nothing here is a judgement of its own.
"""

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from math import isfinite, isinf
from textwrap import wrap
from typing import Any, Final

from export.folding import FOLDED, SUBTRACT_FIRST
from export.parity import tables
from export.proof import BundleProof, DataBounds
from serve_runtime.shown import quoted

WIDTH: Final = 79
"""Columns of a line, unless a name or a path takes more."""

_LOOSE_LOGIT = 1e-3
"""A feature whose rounding moves a logit by more than this is warned about; a probability moves by
at most a quarter of it."""


def verdict(proof: BundleProof, width: int = WIDTH) -> str:
    """What was proven, what it is good for, and what it does not say, in lines of `width`."""
    total, bounds = proof.folding.written, proof.bounds
    scorers = len(proof.parity.scorers)
    proven = f"PROVEN: {scorers} scorers × {_rows(proof):,} rows, none outside what float32 allows"
    item = partial(_wrapped, width=width)
    lines = [
        *wrap(proven, width, subsequent_indent="        "),
        f"        (worst: {_worst_share(proof):.1%} of it)",
        *_on_your_rows(bounds, width),
        *item(
            f"within the training ranges a logit is within {total.total:.2g} of the trained "
            f"model's, and up to {bounds.input_rounding:.2g} more where features hold more digits "
            "than float32"
        ),
        *item("the rows reach far outside your data on purpose"),
        *item(f"this says nothing about accuracy: {_holdout(proof)}"),
    ]
    return "\n".join(lines)


def warnings(bounds: DataBounds) -> Iterator[str]:
    """What somebody should look at before the model is used."""
    if isinf(bounds.logit) and bounds.sampled:
        yield (
            "warning: the terms of some sampled rows may overflow float32, and a Predictor may "
            "refuse such rows: check the units of the features"
        )
    feature, moves = bounds.coarsest
    if moves > _LOOSE_LOGIT:
        yield (
            f"warning: feature {quoted(feature)} weighs so much that its rounding to float32 alone "
            f"moves the logit by up to {moves:.2g}: if it lies far from 0 for its spread, subtract "
            "a typical value from it before training and before scoring"
        )


def figures(proof: BundleProof) -> str:
    """All figures: a table with a line for each scorer, and what the weights cost."""
    folding, selftest = proof.folding, proof.selftest
    totals = {FOLDED: folding.folded.total, SUBTRACT_FIRST: folding.subtract_first.total}
    return "\n".join([
        f"The worst error of each scorer on {_rows(proof):,} rows, which reach far outside your",
        'data on purpose. "of budget" is the share that was used of what float32 allows.',
        "",
        tables.overview(proof.parity).text(WIDTH),
        "",
        f"test rows stored in the model (golden rows): {selftest.rows}, within "
        f"{selftest.logit_share:.1%} of what is allowed",
        f"weights: {folding.form}; of a logit's {folding.written.total:.2g}, "
        f"{folding.written.rounding:.2g} are from rounding the weights",
        *(f"         {form} it would be {total:.2g}"
          for form, total in totals.items() if form != folding.form),
    ])  # fmt: skip


def by_logit(proof: BundleProof) -> str:
    """The figures for each range of the exact logit, and every scorer against every other."""
    ranges = tables.by_logit(proof.parity, list(proof.parity.scorers))
    return f"{ranges.text()}\n\n{tables.between(proof.parity).text()}"


def document(proof: BundleProof) -> dict[str, Any]:
    """The figures of the verdict, for a machine. A bound that float32 does not promise is None."""
    card, bounds = proof.card, proof.bounds
    return {
        "proven": True,
        "model_id": card.model_id,
        "classes": list(card.classes),
        "threshold": card.threshold,
        "rows": _rows(proof),
        "worst_share": _worst_share(proof),
        "scorers": {name: asdict(found.overall) for name, found in proof.parity.scorers.items()},
        "contracts": dict(proof.contracts),
        "sampled": bounds.sampled,
        "logit_within": _finite(bounds.logit),
        "probability_within": bounds.probability if bounds.probability < 1 else None,
        "trained_logit_within": _finite(proof.folding.written.total),
        "input_rounding": _finite(bounds.input_rounding),
        "form": proof.folding.form,
    }


def _finite(bound: float) -> float | None:
    return bound if isfinite(bound) else None


def _wrapped(text: str, *, width: int) -> list[str]:
    return wrap(text, width, initial_indent="  ", subsequent_indent="    ")


def _worst_share(proof: BundleProof) -> float:
    """The largest share of what float32 allows that a score has used."""
    return max(
        share
        for measured in proof.parity.scorers.values()
        for share in (measured.overall.logit.share, measured.overall.probability.share)
    )


def _rows(proof: BundleProof) -> int:
    """How many rows had an exact score and a bound; the others are proven to give NaN alike."""
    return max(found.overall.rows for found in proof.parity.scorers.values())


def _on_your_rows(bounds: DataBounds, width: int) -> list[str]:
    rows = "on rows like yours" if bounds.sampled else "within the training ranges"
    found = f"{rows} a probability is within {bounds.probability:.2g} of the exact one"
    if bounds.probability >= 1:
        found = f"{rows} float32 promises nothing of a probability"
    if not bounds.sampled:
        return _wrapped(found, width=width)
    of = f"(the largest bound of {bounds.sampled:,} rows sampled from your data)"
    return [
        *_wrapped(found, width=width),
        *wrap(of, width, initial_indent="    ", subsequent_indent="    "),
    ]


def _holdout(proof: BundleProof) -> str:
    """What the card says of the rows that training did not see."""
    metrics = proof.card.training.get("metrics")
    found = metrics.get("holdout") if isinstance(metrics, dict) else None
    if not isinstance(found, dict):
        return "training held no rows out to measure it"
    auc = found.get("auc")
    if not isinstance(auc, float):
        return "the hold-out rows are all of one class, so they have no AUC"
    return f"hold-out AUC {auc:.4f} (from training)"
