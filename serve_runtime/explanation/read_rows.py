"""A few rows of a table, as a model takes them."""

from collections.abc import Collection, Mapping
from contextlib import closing
from typing import Any

from serve_runtime.bundle.card import ModelCard
from serve_runtime.errors import InputError
from serve_runtime.scoring.batches import model_columns
from serve_runtime.scoring.table_scorer import selection_of
from serve_runtime.shown import listed
from serve_runtime.tables.dialect import Told, told_before_card, told_fields
from serve_runtime.tables.read import open_table


def read_rows(
    card: ModelCard,
    source: str,
    wanted: Collection[int],
    *,
    header: bool | None = None,
    dialect: Told = None,
) -> dict[int, Mapping[str, Any]]:
    """The data rows `wanted` of the table `source`, from 1: each as columns of one value, by name.

    The table is read as scoring reads it, up to the last of these rows. Raises InputError as
    scoring does, and where the table has fewer rows.
    """
    told = told_fields(dialect, header)
    found, start, last = dict[int, Mapping[str, Any]](), 0, max(wanted)
    with (
        open_table(
            source,
            dialect=told_before_card(told, card.dialect),
            encoding_is_assumed="encoding" not in told,
        ) as table,
        closing(table.batches(selection_of(card, ()))) as batches,
    ):
        for features, _ in batches:
            stop = start + features.num_rows
            for row in wanted:
                if start < row <= stop:
                    found[row] = model_columns(card, features.slice(row - 1 - start, 1))
            if (start := stop) >= last:
                return found
    absent = sorted(set(wanted) - found.keys())
    raise InputError(
        f"{source} has {start:,} data row{'s' * (start != 1)}, and so no data row"
        f"{'s' * (len(absent) > 1)} {listed(absent, 3)}: rows count from 1, without the header"
    )
