"""The scores of one table after another, reading while scoring."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from serve_runtime.errors import InputError, RowError
from serve_runtime.predictor import Predictor
from serve_runtime.scoring.batches import of_types, score_pairs, types_of
from serve_runtime.tables.background import ahead
from serve_runtime.tables.formats import is_parquet
from serve_runtime.tables.read import opened


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    rows: int
    """Rows scored, and handed to whoever writes them."""
    all_rows: int | None
    """Rows that there are, where each table is Parquet."""
    tables: int
    """Tables done."""
    all_tables: int
    """Tables that there are to do."""


class TableScores:
    """Scores tables with one model; counts what is done."""

    def __init__(
        self,
        predictor: Predictor,
        *,
        keep: Sequence[str],
        header: bool,
        progress: Callable[[Progress], object] | None,
    ) -> None:
        self.predictor, self.keep, self.header = predictor.snapshot(), tuple(keep), header
        self.types: Mapping[str, str] = {}
        """Types of the kept columns so far, by name; another in a later table is an error."""
        self._progress = progress
        self._rows = self._tables = 0
        self._all_rows: int | None = None
        self._all_tables = 1

    def expect(self, sources: Sequence[str]) -> None:
        """Prepare for scoring `sources`: find out how many rows there are, if somebody asks."""
        self._all_tables = len(sources)
        if self._progress and all(map(is_parquet, sources)):
            with suppress(InputError):  # it will be told when the table is scored
                self._all_rows = sum(map(_rows, sources))

    def score(self, source: str, write: Callable[[Any], object], *, one_type: bool = True) -> int:
        """Score the table `source` and call `write` with each batch; the number of rows.

        With `one_type`, kept columns must have the types that they had in tables before.
        """
        names, rows = self.predictor.card.feature_names, 0
        with (
            opened(source, header=self.header) as table,
            ahead(table.batches(names, self.keep), table.cancel) as pairs,
        ):
            try:
                for batch in score_pairs(self.predictor, pairs):
                    if one_type:
                        self.types = self.types or types_of(batch.schema, self.keep)
                        batch = of_types(source, batch, self.types)
                    write(batch)
                    rows += batch.num_rows
                    self._done(batch.num_rows, 0)
            except RowError as found:
                raise found.at(found.row, f"{source}: data row {found.row + 1}") from None
        self._done(0, 1)
        return rows

    def _done(self, rows: int, tables: int) -> None:
        self._rows += rows
        self._tables += tables
        if self._progress:
            self._progress(Progress(self._rows, self._all_rows, self._tables, self._all_tables))


def _rows(source: str) -> int:
    with opened(source) as table:
        return table.rows or 0
