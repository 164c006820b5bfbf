"""What `python -m train` prints when the model is trained."""

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from serve_runtime.shown import quoted
from train.evaluate.metrics import Metrics

WIDTH = 79
"""Columns of a line that is not wrapped on a usual terminal."""
_MOST_WEIGHTS = 10
_LEGEND = """accuracy: of labels from a probability of 0.5 on
majority: the accuracy of always answering with the more frequent class"""
_NO_SIGN = "no sign: a category or a bent number moves the logit both ways"


@dataclass(frozen=True)
class Summary:
    """The figures of a finished training."""

    metrics: Mapping[str, Metrics]
    """By part: "training" and, where there is one, "holdout"."""
    positives: Mapping[str, float]
    """The share of positive rows of each part."""
    weights: Mapping[str, float]
    """Of each feature: its weight times its standard deviation in the training rows, that is, the
    change of the logit when the feature grows by one standard deviation; of a bent one and of a
    category the standard deviation of what it adds to the logit."""
    loss: str
    """The cost that was minimised: "bce", which is the log loss, or "mse"."""
    straight: Collection[str]
    """The features with a single weight, whose sign says which way the logit moves."""

    def text(self, run: Path) -> str:
        """All of it, with what to type next; `run` is the run folder."""
        bundle = Path("bundles") / run.name
        export = f"python -m export bundle {shlex.quote(str(run))} {shlex.quote(str(bundle))}"
        return f"{self._table()}\n\n{self._weights()}\n\nrun: {run}\nnext: {export}"

    def _table(self) -> str:
        """A line for each part."""
        columns = ["rows", "positive", "majority", "accuracy", "AUC"]
        columns += ["log loss"] if self.loss == "bce" else ["log loss", "cost"]
        lines = [" " * 9 + "".join(f"{column:>10}" for column in columns)]
        for part, figures in self.metrics.items():
            share, auc = self.positives[part], figures["auc"]
            cells = [
                f"{figures['rows']:,.0f}",
                f"{share:.2%}",
                f"{max(share, 1 - share):.2%}",
                f"{figures['accuracy']:.2%}",
                "-" if auc is None else f"{auc:.4f}",
                _cost(figures["log_loss"]),
                *([] if self.loss == "bce" else [_cost(figures["cost"])]),
            ]
            lines.append(f"{part:<9}" + "".join(f"{cell:>10}" for cell in cells))
        return "\n".join([*lines, _LEGEND])

    def _weights(self) -> str:
        """The largest weights, and how many more there are."""
        ranked = sorted(self.weights.items(), key=lambda item: -abs(item[1]))
        shown, signs = ranked[:_MOST_WEIGHTS], frozenset(self.straight)
        lines = [
            f"{_figure(value, '+' if name in signs else '')}  {quoted(name)}"
            for name, value in shown
        ]
        lines = [line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in lines]
        more = [f"… and {len(ranked) - _MOST_WEIGHTS} more"] if len(ranked) > _MOST_WEIGHTS else []
        heading = "weight per standard deviation of the feature, largest first"
        legend = [] if all(name in signs for name, _ in shown) else [_NO_SIGN]
        return "\n".join([heading, *lines, *more, *legend])


def _figure(value: float, sign: str) -> str:
    return f"{value:>{sign}10.4f}" if abs(value) < 1000 else f"{value:>{sign}10.3g}"


def _cost(value: float | None) -> str:
    return f"{value:.6f}" if value is not None and value < 100 else f"{value:.4g}"
