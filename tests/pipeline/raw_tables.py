"""A table of texts, gaps, truths and times of day, as files and as rows of Python's own values."""

import csv
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

TOWNS = ("Trier", "Ürzig", "Zell, Mosel", 'the "Hof"', "trier", "3", "3.0")
PLANS = ("free", "paid", "gift")

Row = dict[str, Any]


def rows_of(count: int, seed: int, towns: tuple[str, ...] = TOWNS) -> list[Row]:
    """Rows of a number with gaps, a truth with gaps, two categories, the second with gaps, a
    number, and a time in seconds."""
    rng, found = random.Random(seed), []
    for i in range(count):
        found.append({
            "age": None if i % 9 == 4 else rng.randrange(18, 90) / 2,
            "town": towns[i % len(towns)] if i < 50 else rng.choice(towns),
            "member": None if i % 11 == 3 else rng.random() < 0.5,
            "plan": None if i % 7 == 5 else rng.choice(PLANS),
            "income": round(rng.lognormvariate(10, 1), 2),
            "seen": 1_700_000_000 + rng.randrange(5000),
        })  # fmt: skip
    return found


def labelled(rows: list[Row], seed: int) -> list[Row]:
    """The rows with a label, which every column has a part in."""
    rng, found = random.Random(seed), []
    for row in rows:
        logit = (row["age"] or 60) / 30 - 1 + (row["town"] in TOWNS[:3]) - bool(row["member"])
        logit += (row["plan"] is None) - (row["seen"] - 1_700_002_500) / 2000
        found.append({**row, "bought": "yes" if rng.gauss(logit) > 0 else "no"})
    return found


def write_csv(path: Path, rows: list[Row]) -> None:
    """Gaps are empty, but for those of `plan`, which are a question mark."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0])
        for row in rows:
            gaps = {name: "?" if name == "plan" else "" for name, v in row.items() if v is None}
            writer.writerow({**row, **gaps}.values())


def write_parquet(path: Path, rows: list[Row]) -> None:
    """Truths are bool, gaps are null, and a category is a dictionary."""
    table = pa.Table.from_pylist(rows)
    place = table.column_names.index("town")
    parquet.write_table(
        table.set_column(place, "town", table.column("town").dictionary_encode()), path
    )
