"""The recipe of a training run: one TOML file, every key optional but the data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli_w

from serve_runtime.errors import InputError
from serve_runtime.feature_names import did_you_mean
from serve_runtime.shown import quoted
from serve_runtime.tables.dialect import told_fields
from train.errors import RecipeError
from train.recipe.column_keys import ColumnKeys, Columns, own_tables
from train.recipe.key_declaration import check, keys_of
from train.recipe.keys import Data, Log, Optimizer
from train.recipe.model_keys import Model
from train.recipe.penalty_keys import Penalty
from train.recipe.threshold_rule import check_threshold

SOURCES = ("file", "points", "simulate", "builtin")
"""The keys of [data] that say where the rows come from; a recipe has one of them."""

SECTIONS: dict[str, type] = {
    "data": Data, "columns": Columns, "model": Model, "penalty": Penalty, "optimizer": Optimizer,
    "log": Log,
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run computes."""

    data: Data = field(default_factory=Data)
    columns: Columns = field(default_factory=Columns)
    model: Model = field(default_factory=Model)
    penalty: Penalty = field(default_factory=Penalty)
    optimizer: Optimizer = field(default_factory=Optimizer)
    log: Log = field(default_factory=Log)
    threshold: Any = None
    """The probability from which on a row is labelled positive, or the rule by which it is chosen
    (see train.evaluate.threshold); None is 0.5."""

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Recipe":
        """A recipe from its TOML tables. Raises RecipeError naming the key that is wrong."""
        sections: dict[str, Any] = {}
        for name, values in document.items():
            if name == "threshold":
                check_threshold(values)
                sections[name] = values
                continue
            if name not in SECTIONS:
                raise RecipeError(
                    f"no section [{name}] in a recipe; there are {', '.join(SECTIONS)}"
                )
            if not isinstance(values, dict):
                raise RecipeError(f"[{name}] must be a section of the recipe; got {quoted(values)}")
            own = own_tables(values) if name == "columns" else {}
            keys = {given: value for given, value in values.items() if given not in own}
            sections[name] = _section(SECTIONS[name], name, keys)
            if own:
                tables = {
                    column: _section(ColumnKeys, f"columns.{column}", table)
                    for column, table in own.items()
                }
                sections[name] = replace(sections[name], own=tables)
        recipe = cls(**sections)
        try:
            told_fields(recipe.data.dialect())
        except InputError as reason:
            raise RecipeError(f"[data]: {reason}") from None
        optimizer = recipe.optimizer
        if optimizer.nesterov and not (optimizer.momentum or optimizer.accelerated):
            raise RecipeError("optimizer.nesterov needs optimizer.momentum above 0")
        if optimizer.momentum == "auto" and optimizer.batch_size:
            raise RecipeError('optimizer.momentum = "auto" needs full batches: batch_size = 0')
        if optimizer.tolerance == "auto" and optimizer.loss != "bce":
            raise RecipeError('optimizer.tolerance = "auto" needs optimizer.loss = "bce"')
        if optimizer.patience and not recipe.data.holdout:
            raise RecipeError("optimizer.patience needs data.holdout: rows to look at")
        _check_penalty(recipe.penalty, optimizer)
        if recipe.columns.bend not in (None, "none") and not recipe._may_bend:
            raise RecipeError(
                f'columns.bend = {quoted(recipe.columns.bend)} needs optimizer.lr = "auto", '
                'optimizer.loss = "bce" and model.standardize = true: leave them out, or say '
                'bend = "none"'
            )
        rule, step = recipe._has_rule, recipe.model.calibrate == "platt"
        if optimizer.loss != "bce" and (rule or step):
            what = "a threshold that is chosen" if rule else 'model.calibrate = "platt"'
            raise RecipeError(
                f'{what} needs optimizer.loss = "bce", as do the fits by whose scores it is found'
            )
        sources = [s for s in SOURCES if getattr(recipe.data, s) is not None]
        if len(sources) > 1:
            raise RecipeError(f"[data] needs one source; got {', '.join(sources)}")
        return recipe

    @property
    def l2(self) -> float | str:
        """The L2 penalty that is asked for, or by default: a number, or "auto"."""
        penalty, optimizer = self.penalty, self.optimizer
        if penalty.l2 is not None:
            return penalty.l2
        said = optimizer.weight_decay is not None or penalty.l1
        by_default = optimizer.lr == "auto" and optimizer.loss == "bce" and not said
        return "auto" if by_default else optimizer.penalty

    @property
    def l1(self) -> float:
        """The L1 penalty that is asked for, 0 where none is."""
        return self.penalty.l1 or 0.0

    @property
    def needs_folds(self) -> bool:
        """Whether fits are made without some of the rows: to choose bends, a penalty or a
        threshold, to calibrate, or to measure."""
        asked = self.penalty.folds is not None or self.model.calibrate == "platt"
        return self.l2 == "auto" or asked or self._has_rule or self.bend != "none"

    @property
    def _has_rule(self) -> bool:
        return self.threshold is not None and not isinstance(self.threshold, int | float)

    @property
    def bend(self) -> str | list[str]:
        """Which numbers may be bent, said or by default: "auto", "none", or their names."""
        if self.columns.bend is not None:
            return self.columns.bend
        return "auto" if self._may_bend and (self.l2 == "auto" or self.l2 or self.l1) else "none"

    @property
    def _may_bend(self) -> bool:
        optimizer = self.optimizer
        return optimizer.lr == "auto" and optimizer.loss == "bce" and self.model.standardize

    def written_out(self) -> "Recipe":
        """The same recipe with the penalty that is asked for by default. What folds choose stays
        "auto": training again chooses the same, and what hangs on a choice, such as calibration."""
        if self.optimizer.weight_decay is not None:
            return self
        return replace(self, penalty=replace(self.penalty, l2=self.l2))

    def to_dict(self) -> dict[str, Any]:
        """The recipe as TOML tables, defaults written out, absent keys left out."""
        tables = asdict(self)
        tables["columns"], threshold = self.columns.to_tables(), tables.pop("threshold")
        found = {
            section: {key: value for key, value in values.items() if value is not None}
            for section, values in tables.items()
        }
        top = {} if threshold is None else {"threshold": threshold}
        return top | {section: values for section, values in found.items() if values}

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


def _check_penalty(penalty: Penalty, optimizer: Optimizer) -> None:
    """Raise RecipeError where a penalty does not go with what else is said."""
    if optimizer.weight_decay is not None:
        said = [name for name in ("l2", "l1") if getattr(penalty, name) is not None]
        if said:
            raise RecipeError(
                f"penalty.{said[0]} and optimizer.weight_decay exclude each other: weight_decay is "
                "another name of l2, so leave it out"
            )
    if optimizer.loss != "bce":
        for name, chosen in (
            ('l2 = "auto"', penalty.l2 == "auto"), ("l1", penalty.l1), ("folds", penalty.folds)
        ):  # fmt: skip
            if chosen:
                raise RecipeError(f'penalty.{name} needs optimizer.loss = "bce"')
    if penalty.l1:
        for name, fits, needed in (
            ("lr", optimizer.lr == "auto", 'lr = "auto"'),
            ("batch_size", not optimizer.batch_size, "batch_size = 0"),
            ("momentum", optimizer.momentum in (None, "auto"), 'momentum = "auto"'),
            ("tolerance", optimizer.tolerance in (None, "auto"), 'tolerance = "auto"'),
            ("patience", not optimizer.patience, "patience = 0"),
        ):
            if not fits:
                raise RecipeError(
                    f"penalty.l1 needs optimizer.{needed}; got "
                    f"{name} = {quoted(getattr(optimizer, name))}"
                )


def _section(kind: type, name: str, values: Mapping[str, Any]) -> Any:
    """A section of keys of the class `kind`. Raises RecipeError naming the key that is wrong."""
    keys = keys_of(kind)
    for given, value in values.items():
        if given not in keys:
            raise RecipeError(
                f"no key {quoted(given)} in [{name}]; there are {', '.join(keys)}"
                f"{did_you_mean([given], keys)}"
            )
        check(f"{name}.{given}", keys[given], value)
    return kind(**values)
