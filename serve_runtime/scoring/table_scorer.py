"""Score one table after another with one model, reading in the background."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serve_runtime.bundle.card import ModelCard
from serve_runtime.errors import InputError, RowError
from serve_runtime.features.column import CATEGORY, PRECISE
from serve_runtime.predictor import Predictor
from serve_runtime.scoring.batches import (
    cast_to_types,
    check_arguments,
    column_types,
    names_of_kind,
    names_that_may_miss,
    score_pairs,
    times_of,
)
from serve_runtime.scoring.score_summary import ScoreSummary
from serve_runtime.tables.background import read_ahead
from serve_runtime.tables.dialect import Told, told_before_card, told_fields
from serve_runtime.tables.formats import holds_parquet
from serve_runtime.tables.parquet_table import row_group_sizes
from serve_runtime.tables.read import Selection, dialect_of_first, open_table


@dataclass(frozen=True)
class Progress:
    """How far scoring has come."""

    rows: int
    """Rows scored so far."""
    all_rows: int | None
    """Rows to score in all; None if a table is a CSV, whose rows are not known beforehand."""
    tables: int
    """Tables finished so far."""
    all_tables: int
    """Tables to score in all."""


def selection_of(card: ModelCard, others: Sequence[str]) -> Selection:
    """What is read of a table: the columns of the model with this card, and `others`."""
    return Selection(
        card.feature_names,
        others,
        texts=names_of_kind(card, CATEGORY),
        precise=names_of_kind(card, PRECISE),
        times=times_of(card),
        may_miss=names_that_may_miss(card),
    )


class TableScorer:
    """Scores tables with the model that `predictor` holds at construction.

    `keep` are the input columns to copy into the output; `header` tells whether CSV begins with
    column names, `dialect` how it is written, as far as somebody says. `names` are other names for
    the columns that are added, as in `score_batches`. `progress` is called after each batch and
    after each table. `summary` counts the rows that are scored. Raises InputError for columns that
    cannot be kept.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        keep: Sequence[str] = (),
        header: bool | None = None,
        dialect: Told = None,
        names: Mapping[str, str] | None = None,
        progress: Callable[[Progress], object] | None = None,
        summary: ScoreSummary | None = None,
    ) -> None:
        self.score_columns = check_arguments(predictor, keep, names)
        """What the columns of the probability and of the label are called."""
        self.predictor, self.keep = predictor.snapshot(), tuple(keep)
        told = told_fields(dialect, header)
        self.told: Told = told_before_card(told, self.predictor.card.dialect)
        """What is known of the dialect of the tables before any is read: told, or the card's."""
        self._dialect: Told = self.told
        self._assumed = "encoding" not in told
        self.kept_types: Mapping[str, str] = {}
        """Types of the kept columns in the tables scored so far, by column name."""
        self._progress, self._summary = progress, summary
        self._rows = self._tables = 0
        self._all_rows: int | None = None
        self._all_tables = 1

    def read_alike(self, sources: Sequence[str]) -> None:
        """Read all CSV tables in the dialect of the first one of `sources`. Raises InputError."""
        self._dialect = dialect_of_first(sources, self.told, encoding_is_assumed=self._assumed)

    def expect(self, sources: Sequence[str]) -> None:
        """Say which tables will be scored, so that `progress` can tell how many rows there are.

        The footer of a single Parquet table is read when it is scored. Of several tables, the
        total cannot be known without reading all footers now, which is done only for `progress`.
        """
        self._all_tables = len(sources)
        if self._progress and len(sources) > 1 and all(map(holds_parquet, sources)):
            with suppress(InputError):  # raised again when that table is scored
                self._all_rows = sum(sum(row_group_sizes(source)) for source in sources)

    def score(
        self,
        source: str,
        write: Callable[[Any], object],
        *,
        one_type: bool = True,
        folder_columns: Mapping[str, Any] | None = None,
    ) -> int:
        """Score the table `source`, call `write` with each scored batch; the number of rows.

        The batches are those of `score_pairs`. With `one_type`, kept columns must have the types
        that they had in earlier tables. `folder_columns` are those of `open_table`. Raises
        InputError, and what `write` raises.
        """
        rows, card = 0, self.predictor.card

        def observe(features: Mapping[str, Any], positive: npt.NDArray[np.int8]) -> None:
            if self._summary:
                self._summary.add(source, rows, features, positive)

        with (
            open_table(
                source,
                folder_columns=folder_columns or {},
                dialect=self._dialect,
                encoding_is_assumed=self._assumed,
            ) as table,
            read_ahead(table.batches(selection_of(card, self.keep)), table.cancel) as pairs,
        ):
            if self._all_tables == 1:
                self._all_rows = table.rows
            try:
                for batch in score_pairs(self.predictor, pairs, self.score_columns, observe):
                    if one_type:
                        self.kept_types = self.kept_types or column_types(batch.schema, self.keep)
                        batch = cast_to_types(source, batch, self.kept_types)
                    write(batch)
                    rows += batch.num_rows
                    self._count(batch.num_rows, 0)
            except RowError as found:
                raise found.at(found.row, f"{source}: data row {found.row + 1}") from None
        self._count(0, 1)
        return rows

    def _count(self, rows: int, tables: int) -> None:
        self._rows += rows
        self._tables += tables
        if self._progress:
            self._progress(Progress(self._rows, self._all_rows, self._tables, self._all_tables))
