"""The parts of the page that list the files of a bundle and tell how to call it."""

import math
import shlex
from collections.abc import Iterator

from serve_runtime.bundle.card import ModelCard
from serve_runtime.explanation.contributions import known_means
from serve_runtime.features.column import CATEGORY, Column
from serve_runtime.pages.facts import Facts
from serve_runtime.pages.html import code, shown, table, text

_MOST_IN_ROW = 40
"""Columns of a row that is written out; of more, a table is read."""
_MOST_BYTES = 100


def files_section(facts: Facts) -> str:
    """The files with their sizes and digests, and what checking these found."""
    rows = (
        [
            shown(file.name),
            f"{file.found.size:,}" if file.found else "",
            f'<span class="digest">{file.found.sha256}</span>' if file.found else "",
            text(file.check) if file.found else f"<strong>{text(file.check)}</strong>",
        ]
        for file in facts.files
    )
    heads = ["file", "bytes", "SHA-256", "checked"]
    return table("The files, checked when this page was made", heads, rows, numbers=(1,))


def usage_section(facts: Facts, card: ModelCard) -> str:
    """How to call the model, to copy."""
    python = ["from serve_runtime import Predictor", "", f"predictor = Predictor({facts.name!r})"]
    if len(card.columns) <= _MOST_IN_ROW:
        python += ["row = {", *_example(card), "}"]
    else:
        python += ["import pandas as pd", "", 'row = pd.read_csv("table.csv").head(1)']
    python += [
        "print(predictor.probability(row)[0], predictor.predict(row)[0])",
        "values, bias, columns = predictor.contributions(row)  # why this score",
    ]
    name = shlex.quote(facts.name)
    shell = [
        f"serve-runtime score {name} table.csv -o scores.csv",
        f"serve-runtime explain {name} table.csv --row 1",
        f"serve-runtime selftest {name}",
    ]
    return code("In Python (pip install serve-runtime):", python) + code(
        "On the command line:", shell
    )


def _example(card: ModelCard) -> Iterator[str]:
    """The lines of a dict that is a row of usual values."""
    means = known_means(card) or [None] * len(card.columns)
    for column, mean in zip(card.columns, means, strict=True):
        yield f"    {column.name!r}: {_usual(column, mean)!r},"


def _usual(column: Column, mean: float | None) -> float | str | None:
    if column.kind == CATEGORY:
        if not column.levels:
            return None
        return max(zip(column.counts, column.levels, strict=True))[1]
    if column.low is None or column.high is None:
        return None
    middle = column.low / 2 + column.high / 2 if mean is None else mean
    found = float(f"{middle:.4g}") if not column.time else float(math.floor(middle))
    return found if column.low <= found <= column.high else column.low
