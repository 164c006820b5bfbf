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
from train.recipe.keys import Data, Log, Model, Optimizer

SOURCES = ("file", "points", "simulate", "builtin")
"""The keys of [data] that say where the rows come from; a recipe has one of them."""

SECTIONS: dict[str, type] = {
    "data": Data, "columns": Columns, "model": Model, "optimizer": Optimizer, "log": Log
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run computes."""

    data: Data = field(default_factory=Data)
    columns: Columns = field(default_factory=Columns)
    model: Model = field(default_factory=Model)
    optimizer: Optimizer = field(default_factory=Optimizer)
    log: Log = field(default_factory=Log)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Recipe":
        """A recipe from its TOML tables. Raises RecipeError naming the key that is wrong."""
        sections: dict[str, Any] = {}
        for name, values in document.items():
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
        sources = [s for s in SOURCES if getattr(recipe.data, s) is not None]
        if len(sources) > 1:
            raise RecipeError(f"[data] needs one source; got {', '.join(sources)}")
        return recipe

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The recipe as TOML tables, defaults written out, absent keys left out."""
        tables = asdict(self)
        tables["columns"] = self.columns.to_tables()
        return {
            section: {key: value for key, value in values.items() if value is not None}
            for section, values in tables.items()
            if values
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
