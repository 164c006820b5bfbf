"""history.csv: what was measured while a model was fitted, a line for each record."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from train.optimize.fit import Record

COLUMNS: Final = ("epoch", "cost", "accuracy")
VALIDATION_COLUMNS: Final = ("validation_cost", "validation_accuracy")
"""Further ones, where rows are held out."""


def write(path: Path, records: Iterable[Record], *, validation: bool) -> None:
    """Write the columns of `records`, those of hold-out rows too with `validation`."""
    columns = COLUMNS + (VALIDATION_COLUMNS if validation else ())
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for record in records:
            writer.writerow([getattr(record, column) for column in columns])
