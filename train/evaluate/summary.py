"""What `python -m train` says when the model is trained: for a person, and as JSON."""

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from serve_runtime.shown import quoted
from train.evaluate.cost_plot import cost_lines
from train.evaluate.following import export_command, report_command
from train.evaluate.metrics import Metrics
from train.evaluate.threshold import Figures
from train.optimize.fit import Record

WIDTH = 79
"""Columns of a line that is not wrapped on a usual terminal."""
_NARROW = 70
"""Columns below which a table has a line for each figure."""
_MOST_WEIGHTS = 6
_MOST_WARNINGS = 4
_LEGEND = (
    "accuracy: of labels from a probability of 0.5 on",
    "majority: the accuracy of always answering with the more frequent class",
)
NO_SIGN = "no sign: of a category or a bent number, the deviation of what it adds"
"""What a weight is of a column that moves the logit both ways."""


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
    classes: Sequence[Any]
    """The negative label and the positive one."""
    threshold: float
    labels: Figures | None
    """What labels of the rows held out are worth from the threshold on."""
    ranking: Sequence[str]
    """What was chosen and what came next, under a heading; empty where there was no choice."""
    records: Sequence[Record]
    updates: int

    def text(self, run: Path, warnings: Sequence[str] = (), width: int = WIDTH) -> str:
        """All of it, with the warnings of the training and what to type next; `run` is the run
        folder, `width` what a line has room for."""
        parts = [
            self._headline(width),
            self._table(width),
            self._weights(run, width),
            self._choice(width),
            "\n".join(cost_lines(self.records, width)),
            _repeated(warnings, width),
            f"run: {run}\nlook: {report_command(run)}\nnext: {export_command(run)}",
        ]
        return "\n\n".join(filter(None, parts))

    def document(self, run: Path, figures: Mapping[str, Any], warnings: Sequence[str]) -> Any:
        """The same as JSON's objects; `figures` is what metrics.json holds."""
        kept = {name: value for name, value in figures.items() if name != "statistics"}
        return {
            "run": str(run),
            "files": {path.name: str(path) for path in sorted(run.iterdir())},
            "classes": list(self.classes),
            "positives": dict(self.positives),
            "majority": {part: max(share, 1 - share) for part, share in self.positives.items()},
            "updates": self.updates,
            **kept,
            "warnings": [warning.removeprefix("warning: ") for warning in warnings],
            "next": export_command(run),
        }

    def _headline(self, width: int) -> str:
        """How good it is beside a guess, in a sentence."""
        part = "holdout" if "holdout" in self.metrics else "training"
        figures, share = self.metrics[part], self.positives[part]
        rows = f"{figures['rows']:,.0f} rows"
        of = (
            f"the {rows} held out"
            if part == "holdout"
            else f"the {rows} trained on (none held out)"
        )
        answer = quoted(self.classes[share >= 0.5])
        said = (
            f"right on {figures['accuracy']:.2%} of {of}; always answering {answer} would be "
            f"right on {max(share, 1 - share):.2%}"
        )
        return "\n".join(_hung(said, width))

    def _table(self, width: int) -> str:
        """A line for each part, or on a narrow terminal, for each figure."""
        columns = ["rows", "positive", "majority", "accuracy", "AUC", "log loss"]
        columns += [] if self.loss == "bce" else ["cost"]
        parts = {part: self._cells(part) for part in self.metrics}
        if width < _NARROW:
            lines = [" " * 9 + "".join(f"{part:>11}" for part in parts)]
            for name, *cells in zip(columns, *parts.values(), strict=True):
                lines.append(f"{name:<9}" + "".join(f"{cell:>11}" for cell in cells))
        else:
            lines = [" " * 9 + "".join(f"{column:>10}" for column in columns)]
            for part, found in parts.items():
                lines.append(f"{part:<9}" + "".join(f"{cell:>10}" for cell in found))
        return "\n".join([*lines, *(line for text in _LEGEND for line in _hung(text, width))])

    def _cells(self, part: str) -> list[str]:
        figures, share, auc = self.metrics[part], self.positives[part], self.metrics[part]["auc"]
        return [
            f"{figures['rows']:,.0f}",
            f"{share:.2%}",
            f"{max(share, 1 - share):.2%}",
            f"{figures['accuracy']:.2%}",
            "-" if auc is None else f"{auc:.4f}",
            _cost(figures["log_loss"]),
            *([] if self.loss == "bce" else [_cost(figures["cost"])]),
        ]

    def _weights(self, run: Path, width: int) -> str:
        """The largest weights, how many more there are, and where."""
        ranked = sorted(self.weights.items(), key=lambda item: -abs(item[1]))
        shown, signs = ranked[:_MOST_WEIGHTS], frozenset(self.straight)
        lines = [
            f"{_figure(value, '+' if name in signs else '')}  {quoted(name)}"
            for name, value in shown
        ]
        lines = [line if len(line) <= width else f"{line[: width - 1]}…" for line in lines]
        if len(ranked) > _MOST_WEIGHTS:
            command = f"python -m train summary {shlex.quote(str(run))}"
            lines.append(f"… and {len(ranked) - _MOST_WEIGHTS:,} more: {command}")
        heading = _hung("weight per standard deviation of the feature, largest first", width)
        legend = [] if all(name in signs for name, _ in shown) else _hung(NO_SIGN, width)
        return "\n".join([*heading, *lines, *legend])

    def _choice(self, width: int) -> str:
        """What was chosen, with what came next, and the threshold."""
        lines = [line for text in self.ranking[:1] for line in _hung(text, width)]
        for text in self.ranking[1:]:
            lines += wrap(
                text, width, initial_indent="  ", subsequent_indent=" " * 10, break_on_hyphens=False
            )
        said = f"threshold: {quoted(self.classes[1])} from a probability of {self.threshold:.4g} on"
        if self.labels is not None:
            precision, recall = map(_share, (self.labels.precision, self.labels.recall))
            said += f"; precision {precision}, recall {recall} on the hold-out"
        return "\n".join([*lines, *_hung(said, width)])


def _repeated(warnings: Sequence[str], width: int) -> str:
    """The warnings again, the last of which may have gone out of sight."""
    texts = list(dict.fromkeys(warnings))
    lines = [line for text in texts[:_MOST_WARNINGS] for line in _hung(text, width)]
    more = len(texts) - _MOST_WARNINGS
    return "\n".join([*lines, *([f"… and {more} more warnings above"] if more > 0 else [])])


def _hung(text: str, width: int) -> Iterator[str]:
    yield from wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)


def _share(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.2%}"


def _figure(value: float, sign: str) -> str:
    return f"{value:>{sign}10.4f}" if abs(value) < 1000 else f"{value:>{sign}10.3g}"


def _cost(value: float | None) -> str:
    return f"{value:.6f}" if value is not None and value < 100 else f"{value:.4g}"
