"""The recipe of a training run: one TOML file, every key optional but the data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import tomli_w

from train.errors import RecipeError
from train.recipe.rules import check

SOURCES = ("file", "points", "simulate", "builtin")


@dataclass(frozen=True)
class Data:
    """Where the rows come from and which column is to be predicted."""

    file: str | None = None
    """CSV (.csv, .csv.gz) or Parquet, relative to where the command runs; a folder or a glob of
    them, whose tables have the same columns."""
    points: dict[str, Any] | None = None
    """The rows themselves: {x = [[…], …], y = […]}."""
    simulate: dict[str, float] | None = None
    """{n, low, high, w0, w1}: n points from low to high, y ~ Bernoulli(sigmoid(w0 + w1·x))."""
    builtin: str | None = None
    """A data set that scikit-learn brings along, such as "breast_cancer"."""
    target: str | int | None = None
    """The label's column: a name, or a position (-1 is the last). Default: the only column named
    target, label or y; in a file without a header the last."""
    positive: str | int | float | bool | None = None
    """The label that counts as 1. Default: 1 of 0/1 or -1/1, the larger number, true, yes."""
    header: bool = True
    """Whether a CSV file begins with column names."""
    features: list[str] | None = None
    """The columns to learn from. Default: all but the target."""
    drop: list[str] = field(default_factory=list)
    """Columns to leave out."""
    memory: str | None = None
    """How much may be used, such as "8GB"; rows that need more are kept on disk. Default: half of
    what there is."""
    holdout: float | str = 0.2
    """Rows to keep out of training: a fraction, a file of the same columns, or 0 for none."""


@dataclass(frozen=True)
class Model:
    """The layer before training."""

    init: str | dict[str, Any] = "default"
    """ "default" (nn.Linear's own), "zeros", or {weight = [[…]], bias = […]}; the values of the
    layer that is trained, so on standardised features where `standardize`."""
    standardize: bool = True
    """Train on (x - mean) / standard deviation; folded back into the weights afterwards."""
    seed: int = 1
    """Of the initialisation, the hold-out split, the shuffling and the simulation."""


@dataclass(frozen=True)
class Optimizer:
    """Stochastic gradient descent as in torch.optim.SGD, and what it minimises."""

    loss: str = "bce"
    """Mean binary cross-entropy, or "mse": mean squared error of the probability."""
    lr: float | str = "auto"
    """Or "auto": as long as the curvature of the cost allows."""
    schedule: dict[str, Any] | None = None
    """A scheduler of torch.optim.lr_scheduler, stepped once an epoch: {name = "StepLR", …}.
    Default: none; for mini-batches with lr = "auto", down to 0 in equal steps."""
    epochs: int = 1001
    """Passes over the data, at most; with full batch, updates."""
    batch_size: int = 0
    """Rows per update, shuffled anew in each epoch; 0: all rows."""
    momentum: float | str | None = None
    """Or "auto": Nesterov's, growing, dropped when it points uphill; it needs full batches.
    Default: "auto" where lr is, with full batches; else 0."""
    nesterov: bool = False
    tolerance: float | str | None = None
    """Stop when no component of the gradient is larger; 0: never. Or "auto": stop when the weights
    have four digits right, by Newton's step. Default: "auto" where momentum is, else 0."""
    patience: int = 0
    """Stop after so many epochs without a lower hold-out cost, with the weights that had the
    lowest; 0: never."""
    weight_decay: float = 0.0
    """L2 penalty on the weights, never on the bias."""
    device: str = "auto"
    """cpu, cuda, or auto: cuda where there is one."""

    def in_batches(self, rows: int) -> bool:
        """Whether an update takes fewer than all `rows`."""
        return 0 < self.batch_size < rows

    @property
    def accelerated(self) -> bool:
        """Whether momentum is "auto", said or by default."""
        by_default = self.momentum is None and self.lr == "auto" and self.batch_size == 0
        return self.momentum == "auto" or by_default

    def resolved(self, lr: float) -> "Optimizer":
        """With the learning rate `lr`, and every default that hangs on "auto" written out."""
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

    every: int = 100
    """Epochs between two rows of history.csv."""
    checkpoint_every: int = 0
    """Updates between two checkpoints, from which --resume goes on; 0: only when a signal ends the
    training."""


_SECTIONS: dict[str, type] = {"data": Data, "model": Model, "optimizer": Optimizer, "log": Log}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run computes."""

    data: Data = Data()
    model: Model = Model()
    optimizer: Optimizer = Optimizer()
    log: Log = Log()

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Recipe":
        """A recipe from its TOML tables. Raises RecipeError naming the key that is wrong."""
        sections: dict[str, Any] = {}
        for name, values in document.items():
            if name not in _SECTIONS:
                raise RecipeError(f"no section [{name}] in a recipe; there are {_list(_SECTIONS)}")
            if not isinstance(values, dict):
                raise RecipeError(f"[{name}] must be a section of the recipe; got {values!r}")
            keys = [f.name for f in fields(_SECTIONS[name])]
            for key, value in values.items():
                if key not in keys:
                    raise RecipeError(f"no key {key!r} in [{name}]; there are {_list(keys)}")
                check(f"{name}.{key}", value)
            sections[name] = _SECTIONS[name](**values)
        recipe = cls(**sections)
        optimizer = recipe.optimizer
        if optimizer.nesterov and not (optimizer.momentum or optimizer.accelerated):
            raise RecipeError("optimizer.nesterov needs optimizer.momentum above 0")
        if optimizer.momentum == "auto" and optimizer.batch_size:
            raise RecipeError('optimizer.momentum = "auto" needs full batches: batch_size = 0')
        if optimizer.tolerance == "auto" and optimizer.loss != "bce":
            raise RecipeError('optimizer.tolerance = "auto" needs optimizer.loss = "bce"')
        if optimizer.patience and not recipe.data.holdout:
            raise RecipeError("optimizer.patience needs data.holdout: rows to look at")
        given = [s for s in SOURCES if getattr(recipe.data, s) is not None]
        if len(given) > 1:
            raise RecipeError(f"[data] needs one source; got {_list(given)}")
        return recipe

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The recipe as TOML tables, defaults written out, absent keys left out."""
        return {
            section: {key: value for key, value in values.items() if value is not None}
            for section, values in asdict(self).items()
        }

    def to_toml(self) -> str:
        """The recipe as the text of a TOML file."""
        return tomli_w.dumps(self.to_dict())

    def without_paths(self) -> "Recipe":
        """The same recipe with files named, not located: what a card may tell."""
        named = {
            key: Path(value).name
            for key, value in (("file", self.data.file), ("holdout", self.data.holdout))
            if isinstance(value, str)
        }
        return replace(self, data=replace(self.data, **named))  # type: ignore[arg-type]


def _list(names: Any) -> str:
    return ", ".join(names)
