"""What is decided by the scores of rows that the scoring model has not seen: the step that mends
probabilities, and the threshold."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from serve_runtime.arrays import Array, Float32, Float64
from serve_runtime.error_budgets import sigmoid
from train.dataset.dataset import Dataset, Say
from train.evaluate.calibration import (
    Calibration,
    PlattStep,
    calibration,
    fit_step,
    helpful_step,
)
from train.evaluate.threshold import (
    Figures,
    Rule,
    Threshold,
    choose_threshold,
    costs_of,
    figures_of,
)
from train.gradients.processes import ProcessGroup
from train.recipe.recipe import Recipe
from train.recipe.threshold_rule import DEFAULT, OR_BEST
from train.selection.folds import fold_of_rows
from train.trained import Trained

_MOST_ROWS = 1 << 18
"""Rows held out by whose scores calibration is judged; of more, as many at even distances."""
_NO_SCORES = "the rarer class has too few rows to leave some out"


@dataclass(frozen=True)
class Decision:
    """The step and the threshold of a model."""

    threshold: float = DEFAULT
    costs: Float64 | None = None
    """(2, 2) of the rule, where it has any."""
    step: PlattStep | None = None
    gain: float | None = None
    """By how much the step lowers the log loss out of fold; None where none was looked for."""
    rule: Rule | None = None
    figures: Figures | None = None
    """At the threshold, out of fold; None where it was not chosen there."""
    missed: str = ""
    """What the rule asks for and cannot be had, where that was not said to be allowed."""

    def calibrated(self, theta: Float32) -> Float32:
        """The weights and the bias (d + 1,) with the step in them."""
        if self.step is None:
            return theta
        wide = theta.astype(np.float64) * self.step.slope
        wide[-1] += self.step.intercept
        return wide.astype(np.float32)

    def on_holdout(
        self, trained: Trained, data: Dataset, group: ProcessGroup
    ) -> "OnHoldout | None":
        """What labels and probabilities of a model are worth on rows held out; None where there
        are none."""
        if not data.holdout_rows:
            return None
        scored = data.scored("holdout", trained.affine(), trained.encoding())
        counts, kept = torch.zeros(4, dtype=torch.float64), list[Array]()
        step, seen = -(-data.holdout_rows // _MOST_ROWS), 0
        for logit, label, weight in scored:
            own = np.ones(len(label)) if weight is None else weight.astype(np.float64)
            labelled = logit.sigmoid().numpy() >= np.float32(self.threshold)
            found = np.bincount(2 * label.astype(np.intp) + labelled, own, 4)
            counts += torch.from_numpy(found)
            kept.append(np.stack([logit.numpy(), label, own])[:, -seen % step :: step])
            seen += len(label)
        every = np.concatenate([some for each in group.gather(kept) for some in each], axis=1)
        figures = figures_of(group.sum(counts).numpy(), self.threshold, self.costs)
        return OnHoldout(figures, calibration(*every))

    def to_dict(self, before: "OnHoldout | None", after: "OnHoldout | None") -> dict[str, Any]:
        """What metrics.json says of it, with what it is worth on rows held out, if there are any,
        `before` and `after` the step."""
        return {
            "threshold": {
                "rule": self.rule,
                "value": self.threshold,
                "out_of_fold": self.figures and asdict(self.figures),
                "holdout": after and asdict(after.labels),
                "missed": self.missed,
            },
            "calibration": {
                "step": self.step and asdict(self.step),
                "gain": self.gain,
                "holdout_before": before and asdict(before.calibration),
                "holdout": after and asdict(after.calibration),
            },
        }


@dataclass(frozen=True)
class OnHoldout:
    """What a model is worth on rows held out."""

    labels: Figures
    calibration: Calibration

    def told(self, before: "OnHoldout | None") -> Iterator[str]:
        """Lines on probabilities and labels; `before` is what a step has mended."""
        was = f"; before the step {_calibration_told(before.calibration)}" if before else ""
        yield (
            f"probabilities of the hold-out: {_calibration_told(self.calibration)} (slope 1 is "
            f"right, less is too sure, more not sure enough){was}"
        )
        labels = self.labels
        yield f"labels of the hold-out from {labels.threshold:.4g} on: {labels.told()}"


def _calibration_told(found: Calibration) -> str:
    slope = "n/a" if found.slope is None else f"{found.slope:.3g}"
    return (
        f"calibration slope {slope}, expected calibration error "
        f"{found.expected_calibration_error:.4f}, Brier score {found.brier:.4f}"
    )


def decide(recipe: Recipe, data: Dataset, say: Say) -> Decision:
    """The step and the threshold that `recipe` asks for, by the out-of-fold scores of its `data`.

    With calibrate = "auto" the step is taken only if it helps, and only where the penalty is
    chosen. Says by `say` what was done.
    """
    rule, calibrate, choice = recipe.threshold, recipe.model.calibrate, data.choice
    wanted = calibrate == "platt" or (calibrate == "auto" and recipe.l2 == "auto")
    by_scores = rule is not None and not isinstance(rule, int | float)
    logit, label, weight = choice.out_of_fold, choice.labels, choice.weights
    or_best = isinstance(rule, dict) and rule.get(OR_BEST, False)
    if logit is None or label is None:
        missed = ""
        if calibrate == "platt":
            say(f"warning: probabilities are not mended: {_NO_SCORES}")
        if by_scores:
            missed = f"no threshold can be chosen, and it is {DEFAULT}: {_NO_SCORES}"
            say(f"warning: {missed}")
            missed = "" if or_best else f"{missed}: give more rows of it, or a number"
        return Decision(DEFAULT if by_scores or rule is None else rule, rule=rule, missed=missed)
    wide = None if weight is None else weight.astype(np.float64)
    step, gain = None, None
    if wanted:
        fold = fold_of_rows(label, len(choice.folds), recipe.model.seed)
        step, gain = helpful_step(logit, label, fold, wide)
        if calibrate == "platt":
            step = fit_step(logit, label, wide)
            step = step if step and step.slope > 0 else None
        _tell_step(step, gain, calibrate, say)
        logit = logit if step is None else step.of(logit)
    if rule is None:
        return Decision(step=step, gain=gain)
    plain = rule
    if isinstance(rule, dict):
        plain = {name: value for name, value in rule.items() if name != OR_BEST}
    probability = sigmoid(logit).astype(np.float32)
    found = choose_threshold(plain, probability, label, wide)
    _tell_threshold(found, say)
    missed = ""
    if found.missed and not or_best:
        missed = f"{found.missed}: ask for less, or say --or-best"
    value, costs = found.figures.threshold, costs_of(plain)
    return Decision(value, costs, step, gain, rule, found.figures, missed)


def _tell_step(step: PlattStep | None, gain: float, calibrate: str, say: Say) -> None:
    if step is None:
        if calibrate == "platt":
            say("no calibration: there is no best step that keeps the order of rows")
        return
    words = "too sure" if step.slope < 1 else "not sure enough"
    say(
        f"calibration: logits are {words} on rows left out: they become {step.slope:.4g} · logit "
        f"{step.intercept:+.4g}, which changes the log loss there by {-gain:+.2g}"
    )


def _tell_threshold(found: Threshold, say: Say) -> None:
    figures = found.figures
    say(f"threshold {figures.threshold:.4g}: on rows left out, {figures.told()}")
    if found.missed:
        say(f"warning: {found.missed}")
