"""The sections of a recipe and their keys: the one place where a key is declared."""

import math
from dataclasses import dataclass, replace
from typing import Any

from serve_runtime.commands.options import separator_named
from serve_runtime.features.column import MISSING_TEXTS
from serve_runtime.tables.dialect import LAYOUT
from train.memory_budget import parse_size
from train.recipe.key_declaration import (
    FLOAT32_MAX,
    NUMBER,
    are_names,
    auto_or,
    comma_separated,
    is_path,
    is_simulation,
    key,
    number_or_text,
    split_at_commas,
)

_SCHEDULES = (
    "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR", "LinearLR",
    "MultiStepLR", "PolynomialLR", "StepLR",
)  # fmt: skip
"""Schedulers of torch.optim.lr_scheduler that need nothing but the optimiser."""


@dataclass(frozen=True)
class Data:
    """Where the rows come from and which column is to be predicted."""

    file: str | None = key(
        None, str, "a path, in UTF-8", "CSV or Parquet: a file, a folder or a glob.",
        fits=is_path, shown="the only key that is needed",
        more="Relative to where the command runs. Tables of a folder or a glob must have the same "
        "columns. On the command line it is the argument DATA.",
    )  # fmt: skip
    points: dict[str, Any] | None = key(
        None, dict, "{x = [[…], …], y = […]}", "The rows themselves, instead of a file.",
        fits=lambda v: v.keys() == {"x", "y"}, shown="none",
    )  # fmt: skip
    simulate: dict[str, float] | None = key(
        None, dict, "{n, low, high, w0, w1}, numbers, a whole n >= 2, low < high, n <= 10⁸",
        "Simulated rows, instead of a file.",
        fits=is_simulation, shown="none",
        more="n points x, evenly from low to high; each label is 1 with probability "
        "sigmoid(w0 + w1·x).",
    )  # fmt: skip
    builtin: str | None = key(
        None, str, "the name of a scikit-learn data set", "A data set that scikit-learn brings.",
        fits=bool, shown="none", more='One of "breast_cancer", "digits", "iris", "wine".',
    )  # fmt: skip
    target: str | int | None = key(
        None, (str, int), "a column's name or position", "Column to predict: name or position.",
        flag="--target", metavar="COL",
        shown="the only column named target, label or y; without a header the last one",
        more="-1 is the last column.",
    )  # fmt: skip
    positive: str | int | float | bool | None = key(
        None, (str, int, float, bool), "a label", "Label that counts as 1.",
        flag="--positive", metavar="LABEL",
        shown='1 of 0 and 1 or of -1 and 1; the larger number; "true"; "yes"',
        more="Needed where the order of two texts is not beyond doubt.",
    )  # fmt: skip
    header: bool = key(
        True, bool, "true or false", "Whether a CSV begins with column names.",
        flag="--header/--no-header",
    )  # fmt: skip
    names: list[str] | None = key(
        None, list, "column names", "Names of all columns, where a CSV has no header.",
        fits=lambda v: bool(v) and are_names(v), shown="f0, f1, …",
    )  # fmt: skip
    weights: str | None = key(
        None, str, "a column's name", "Column that says how much each row counts.",
        fits=bool, flag="--weights", metavar="COL", shown="none: all rows count alike",
        more="Numbers, 0 or more, such as how often a row occurred; it is no feature then. A row "
        "of weight 0 is left out. Only ratios count: weights are scaled to a mean of 1.",
    )  # fmt: skip
    features: list[str] | None = key(
        None, list, "column names", "Columns to learn from.",
        fits=lambda v: bool(v) and are_names(v), flag="--features", metavar="COL[,COL…]",
        parse=comma_separated,
        shown="all but the target, the weights and the index of a pandas frame",
    )  # fmt: skip
    drop: list[str] = key(
        types=list, wanted="column names", help="Columns to leave out.",
        default_factory=list, fits=are_names, flag="--drop", metavar="COL[,COL…]",
        parse=split_at_commas, shown="[]", more='"" is a column without a name.',
    )  # fmt: skip
    separator: str | None = key(
        None, str, "one character", "What separates the values of a CSV.",
        flag="--separator", metavar="CHAR", parse=separator_named,
        shown="recognised from the first lines",
        more='" " stands for one blank or more. The option takes comma, semicolon, tab, bar and '
        "blanks too.",
    )  # fmt: skip
    decimal: str | None = key(
        None, str, ". or ,", "Decimal mark of a CSV.", flag="--decimal", metavar="CHAR",
        shown="recognised",
    )  # fmt: skip
    thousands: str | None = key(
        None, str, "a mark, a blank, or empty", "What groups digits by three in a CSV.",
        flag="--thousands", metavar="CHAR", shown="recognised",
    )  # fmt: skip
    quote: str | None = key(
        None, str, "\" or '", "Quotation mark of a CSV.", shown="recognised",
    )  # fmt: skip
    trim: bool | None = key(
        None, bool, "true or false", "Whether blanks around values of a CSV belong to none.",
        shown="recognised",
    )  # fmt: skip
    encoding: str | None = key(
        None, str, "an encoding that Python knows", "Encoding of a CSV, such as cp1252.",
        flag="--encoding", metavar="NAME", shown='"utf-8", or what a byte order mark says',
    )  # fmt: skip
    missing: list[str] | None = key(
        None, list, "printable texts", "Texts that stand for a missing value.", fits=are_names,
        flag="--missing", metavar="TEXT[,TEXT…]", parse=comma_separated,
        shown=f"in columns of texts {', '.join(map(repr, MISSING_TEXTS))}",
        more="In columns of numbers of a CSV they count besides the usual ones, and so does a "
        "single other text that people write for a missing value.",
    )  # fmt: skip
    memory: str | None = key(
        None, str, 'a size such as "8GB" or "512MiB"', "Memory that may be used, such as 8GB.",
        fits=lambda v: bool(parse_size(v)), flag="--memory", metavar="SIZE",
        shown="half of what the machine or its container has",
        more="Rows that need more are kept in a file beside the run folder while they are trained "
        "on.",
    )  # fmt: skip
    holdout: float | str = key(
        0.2, (*NUMBER, str), "a fraction from 0 to less than 1, or a path",
        "Rows to hold out: a fraction, a file, or 0.",
        fits=lambda v: is_path(v) if isinstance(v, str) else 0 <= v < 1,
        flag="--holdout", metavar="FRACTION|FILE", parse=number_or_text,
        more="They are not trained on: what the model is worth on them is measured at the end. A "
        "fraction is drawn at random; both classes keep their shares.",
    )  # fmt: skip

    def dialect(self) -> dict[str, Any]:
        """The fields of a `Dialect` that are told, by name."""
        told = {name: getattr(self, name) for name in (*LAYOUT, "encoding", "missing", "names")}
        if not self.header:
            told["header"] = False
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True)
class Optimizer:
    """Gradient descent as in torch.optim.SGD, and the cost that it minimises."""

    loss: str = key(
        "bce", str, "bce or mse", "Cost to minimise.",
        fits=lambda v: v in ("bce", "mse"), flag="--loss", choices=("bce", "mse"),
        more='"bce" is the mean binary cross-entropy, "mse" the mean squared error of the '
        "probability.",
    )  # fmt: skip
    lr: float | str = key(
        "auto", (*NUMBER, str), "auto, or a number above 0, in float32", "Learning rate.",
        fits=auto_or(lambda v: 0 < v <= FLOAT32_MAX),
        flag="--lr", metavar="NUMBER|auto", parse=number_or_text,
        more='"auto" takes steps as long as the curvature of the cost allows.',
    )  # fmt: skip
    schedule: dict[str, Any] | None = key(
        None, dict, f"{{name = …, …}} with one of the names {', '.join(_SCHEDULES)}",
        "How the learning rate changes from epoch to epoch.",
        fits=lambda v: v.get("name") in _SCHEDULES,
        shown='none; for mini-batches with lr = "auto", down to 0 in equal steps',
        more="A scheduler of torch.optim.lr_scheduler with its arguments, such as "
        '{name = "StepLR", step_size = 10}.',
    )  # fmt: skip
    epochs: int = key(
        1001, int, "a whole number from 1 to 10⁹", "Passes over the data, at most.",
        fits=lambda v: 1 <= v <= 10**9, flag="--epochs",
        more="With full batches that is the number of updates.",
    )  # fmt: skip
    batch_size: int = key(
        0, int, "a whole number, 0 for all rows", "Rows of an update; 0: all rows.",
        fits=lambda v: v >= 0, flag="--batch-size", more="Rows are shuffled anew in each epoch.",
    )  # fmt: skip
    momentum: float | str | None = key(
        None, (*NUMBER, str), "auto, or a number from 0 to less than 1", "Momentum; 0: none.",
        fits=auto_or(lambda v: 0 <= v < 1),
        flag="--momentum", metavar="NUMBER|auto", parse=number_or_text,
        shown='"auto" where lr is, with full batches; else 0',
        more='"auto" is Nesterov\'s: it grows, and is dropped when it points uphill. It needs '
        "full batches.",
    )  # fmt: skip
    nesterov: bool = key(
        False, bool, "true or false", "Nesterov's momentum; needs --momentum.",
        flag="--nesterov/--no-nesterov",
    )  # fmt: skip
    tolerance: float | str | None = key(
        None, (*NUMBER, str), "auto, or a number, 0 or more",
        "Stop at so small a gradient; 0: never.",
        fits=auto_or(lambda v: 0 <= v < math.inf),
        flag="--tolerance", metavar="NUMBER|auto", parse=number_or_text,
        shown='"auto" where momentum is and loss = "bce"; else 0',
        more='No component of the gradient is larger then. "auto" stops when each weight has four '
        "digits right, to which steps of Newton's method lead from where the gradient is small.",
    )  # fmt: skip
    patience: int = key(
        0, int, "a whole number, 0 for never", "Epochs to wait for a lower hold-out cost.",
        fits=lambda v: v >= 0, flag="--patience",
        more="After so many epochs without one, training stops, and the weights with the lowest "
        "hold-out cost are kept.",
    )  # fmt: skip
    weight_decay: float | None = key(
        None, NUMBER, "a number, 0 or more, in float32", "Another name of --l2.",
        fits=lambda v: 0 <= v <= FLOAT32_MAX, flag="--weight-decay", metavar="NUMBER", parse=float,
        shown="penalty.l2", more="It is torch.optim.SGD's, but for the bias, which has none.",
    )  # fmt: skip
    device: str = key(
        "auto", str, "auto, cpu or cuda", "Where to train.",
        fits=lambda v: v in ("auto", "cpu", "cuda"), flag="--device",
        choices=("auto", "cpu", "cuda"), more='"auto" is cuda where there is such a GPU.',
    )  # fmt: skip

    def in_batches(self, rows: int) -> bool:
        """Whether an update takes fewer than all `rows`."""
        return 0 < self.batch_size < rows

    @property
    def penalty(self) -> float:
        """The weight decay, 0 where none is said."""
        return self.weight_decay or 0.0

    @property
    def accelerated(self) -> bool:
        """Whether momentum is "auto", said or by default."""
        by_default = self.momentum is None and self.lr == "auto" and self.batch_size == 0
        return self.momentum == "auto" or by_default

    def resolved(self, lr: float) -> "Optimizer":
        """With the learning rate `lr`, and every default that depends on "auto" written out."""
        tolerance, schedule = self.tolerance, self.schedule
        if tolerance is None:
            tolerance = "auto" if self.accelerated and self.loss == "bce" else 0.0
        if schedule is None and self.lr == "auto" and self.batch_size:
            schedule = {"name": "PolynomialLR", "total_iters": self.epochs}
        return replace(
            self,
            lr=lr,
            momentum="auto" if self.accelerated else self.momentum or 0.0,
            tolerance=tolerance,
            schedule=schedule,
        )


@dataclass(frozen=True)
class Log:
    """What is recorded along the way."""

    every: int = key(
        100, int, "a whole number, 1 or more", "Epochs between two lines.",
        fits=lambda v: v >= 1, flag="--log-every",
        more="Lines of the output, and rows of history.csv.",
    )  # fmt: skip
    checkpoint_every: int = key(
        0, int, "a whole number, 0 for never", "Updates between two checkpoints.",
        fits=lambda v: v >= 0, flag="--checkpoint-every",
        more="--resume goes on from the last one. With 0 one is written only when a signal (Ctrl-C "
        "or SIGTERM) ends the training.",
    )  # fmt: skip
