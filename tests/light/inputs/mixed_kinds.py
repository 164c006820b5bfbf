"""The same rows of numbers and texts in every kind of input that a Predictor takes."""

import sqlite3
from collections import namedtuple
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from light.mixed import NAMES

TEXTS = ("colour", "code", "room")
NUMBERS = {"age": np.float32, "visits": np.int64, "born": np.float64}


def dicts(columns):
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def listed(columns, kind=list):
    return [kind(row) for row in zip(*(columns[name] for name in NAMES), strict=True)]


def numbers(columns):
    """Numbers as arrays of their own dtypes, texts as they are; in another order."""
    found = {name: columns[name] for name in reversed(columns)}
    for name, dtype in NUMBERS.items():
        if None not in columns[name]:
            found[name] = np.array(columns[name], dtype)
        else:
            found[name] = np.array([np.nan if v is None else v for v in columns[name]], np.float64)
    return found


def objects(columns):
    return {name: np.array(values, object) for name, values in columns.items()}


def structured(columns, text="O"):
    dtype = [(name, text if name in TEXTS else "f8") for name in NAMES]
    rows = listed(columns, tuple)
    if text != "O":
        rows = [tuple("" if v is None and n in TEXTS else v for n, v in zip(NAMES, r, strict=True))
                for r in rows]  # fmt: skip
    return np.array(rows, dtype)


def unicode_columns(columns):
    """Arrays of numpy's texts, in which a missing one is empty."""
    found = numbers(columns)
    for name in TEXTS:
        found[name] = np.array(["" if v is None else v for v in columns[name]], "U")
    return found


def sqlite_rows(columns):
    with sqlite3.connect(":memory:") as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("create table t (age, colour, visits, born, code, room)")
        connection.executemany("insert into t values (?, ?, ?, ?, ?, ?)", listed(columns, tuple))
        return connection.execute("select * from t").fetchall()


def named_tuples(columns):
    kind = namedtuple("Row", [*reversed(NAMES), "other"])
    values = (columns[name] for name in reversed(NAMES))
    return [kind(*row, "x") for row in zip(*values, strict=True)]


def pandas_frame(columns, text=None, number=None):
    found = pd.DataFrame(columns)
    kinds = {name: text for name in TEXTS if text}
    kinds |= {"age": "Float32", "visits": "Int64", "born": "Float64"} if number else {}
    if number == "arrow":
        kinds |= {n: f"{k}[pyarrow]" for n, k in
                  (("age", "float"), ("visits", "int64"), ("born", "double"))}  # fmt: skip
    return found.astype(kinds)


def polars_frame(columns, text=pl.String):
    return pl.DataFrame(columns).with_columns(pl.col(*TEXTS).cast(text))


def polars_enum(columns):
    frame = pl.DataFrame(columns)
    return frame.with_columns(
        pl.col(name).cast(pl.Enum(frame[name].drop_nulls().unique(maintain_order=True)))
        for name in TEXTS
    )


def arrow_table(columns, text="string"):
    table = pa.table(columns)
    arrays = [
        c.cast(text) if n in TEXTS else c for n, c in zip(columns, table.columns, strict=True)
    ]
    return pa.table(arrays, list(columns))


def arrow_chunks(columns):
    """Chunks, each with a dictionary of its own, of which the last ones have nulls."""
    rows = len(columns["age"])
    cuts = sorted({0, rows // 3, rows // 2, rows})
    parts = [
        pa.table({
            name: arrow_dictionary(values[start:stop], start % 2) if name in TEXTS
            else pa.array(values[start:stop], pa.float64())
            for name, values in columns.items()
        })
        for start, stop in pairwise(cuts)
    ]  # fmt: skip
    return pa.concat_tables(parts)


def arrow_dictionary(values, turned):
    """A dictionary with a null of its own, which the odd rows without a value have for an index;
    the even ones have none."""
    distinct = sorted({value for value in values if value is not None}, reverse=bool(turned))
    place = {value: number for number, value in enumerate([None, *distinct])}
    taken = [None if v is None and row % 2 else place[v] for row, v in enumerate(values)]
    return pa.DictionaryArray.from_arrays(
        pa.array(taken, pa.int16()), pa.array([None, *distinct], pa.string())
    )


def arrow_slice(columns):
    """A slice that begins within a byte of the validity bits."""
    padded = {name: [values[-1]] * 3 + values for name, values in columns.items()}
    return arrow_table(padded, pa.dictionary(pa.int32(), pa.large_string())).slice(3)


def decimals(columns):
    """Decimals and whole floats where a level, or a precise number, is a number."""
    found = objects(columns)
    for name in ("code", "born"):
        found[name] = [Decimal(v) if _is_number(v) else v for v in columns[name]]
    return found


def numbers_as_levels(columns):
    """Levels that are numbers as numbers of several types."""
    types = {"3": np.float32(3), "-1": -1, "2.5": 2.5, "4": np.uint8(4), "True": True}
    return {**columns, "code": [types.get(value, value) for value in columns["code"]]}


def _is_number(value):
    try:
        return value is not None and float(value) == float(value)
    except ValueError:
        return False


KINDS = {
    "list of dicts": dicts,
    "list of lists": listed,
    "list of tuples": lambda c: listed(c, tuple),
    "array of objects": lambda c: np.array(listed(c), object),
    "dict of lists": lambda c: c,
    "dict of arrays": numbers,
    "dict of objects": objects,
    "dict of numpy's texts": unicode_columns,
    "decimals": decimals,
    "levels as numbers": numbers_as_levels,
    "structured, objects": structured,
    "structured, texts": lambda c: structured(c, "U8"),
    "named tuples": named_tuples,
    "sqlite rows": sqlite_rows,
    "pandas": pandas_frame,
    "pandas objects": lambda c: pandas_frame(c, object),
    "pandas string": lambda c: pandas_frame(c, pd.StringDtype("python"), "nullable"),
    "pandas category": lambda c: pandas_frame(c, "category"),
    "pandas nullable": lambda c: pandas_frame(c, "string", "nullable"),
    "pandas Arrow": lambda c: pandas_frame(c, pd.ArrowDtype(pa.string()), "arrow"),
    "pandas Arrow dictionary": lambda c: pandas_frame(
        c, pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
    ),
    "dict of pandas": lambda c: {name: pandas_frame(c)[name] for name in NAMES},
    "polars": polars_frame,
    "polars Categorical": lambda c: polars_frame(c, pl.Categorical),
    "polars Enum": polars_enum,
    "Arrow string": arrow_table,
    "Arrow large_string": lambda c: arrow_table(c, pa.large_string()),
    "Arrow string_view": lambda c: arrow_table(c, pa.string_view()),
    "Arrow dictionary": lambda c: arrow_table(c, pa.dictionary(pa.int8(), pa.string())),
    "Arrow chunks": arrow_chunks,
    "Arrow slice": arrow_slice,
    "Arrow batch": lambda c: pa.RecordBatch.from_pydict(c),
}
