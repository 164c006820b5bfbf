"""The same rows in every kind of input that a Predictor takes."""

from decimal import Decimal

import numpy as np
import pytest

# Whole numbers, and zeros and ones: the same values in every kind of input.
WHOLE = np.array([[3, 1], [0, 2], [-5, 40], [7, 7], [1, 0]], np.float32)
BITS = np.array([[1, 0], [0, 0], [1, 1]], np.float32)
STRUCTURE = [("x2", "<f4"), ("note", "U3"), ("x1", "<f8")]


def columns(rows):
    """Columns in the other order, and one that the model does not know."""
    return {"x2": rows[:, 1].copy(), "note": ["a"] * len(rows), "x1": rows[:, 0].copy()}


def dicts(rows):
    return [{"x2": float(b), "note": "a", "x1": float(a)} for a, b in rows]


def structured(rows):
    return np.array([(b, "a", a) for a, b in rows], STRUCTURE)


def structured_integers(rows):
    return np.array([(b, a) for a, b in rows], [("x2", "i1"), ("x1", "i8")])


def pandas_frame(rows, dtype=None):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(columns(rows))
    return frame if dtype is None else frame.astype({"x1": dtype, "x2": dtype})


def polars_frame(rows):
    return pytest.importorskip("polars").DataFrame(columns(rows))


def arrow_table(rows):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table(columns(rows))
    return pyarrow.concat_tables([table.slice(0, 2), table.slice(2)])


def arrow_batch(rows):
    return pytest.importorskip("pyarrow").RecordBatch.from_pydict(columns(rows))


def read_only(rows):
    rows = rows.copy()
    rows.flags.writeable = False
    return rows


def misaligned(rows):
    buffer = np.zeros(rows.nbytes + 1, np.uint8)
    view = buffer[1:].view(np.float32).reshape(rows.shape)
    view[:] = rows
    assert not len(rows) or not view.flags.aligned
    return view


UNNAMED = {
    "array": lambda r: r,
    "float64": lambda r: r.astype(np.float64),
    "float16": lambda r: r.astype(np.float16),
    "int64": lambda r: r.astype(np.int64),
    "int8": lambda r: r.astype(np.int8),
    "big endian": lambda r: r.astype(">f4"),
    "Fortran order": np.asfortranarray,
    "transposed": lambda r: np.ascontiguousarray(r.T).T,
    "every other row": lambda r: np.repeat(r, 2, axis=0)[::2],
    "negative strides": lambda r: np.ascontiguousarray(r[::-1, ::-1])[::-1, ::-1],
    "read-only": read_only,
    "misaligned": misaligned,
    "lists": lambda r: r.tolist(),
    "tuples": lambda r: tuple(map(tuple, r.tolist())),
    "list of arrays": list,
    "objects": lambda r: np.array([[Decimal(str(v)) for v in row] for row in r], object),
    "list of dicts": dicts,
}
NAMED = {
    "dict of arrays": columns,
    "dict of lists": lambda r: {name: list(c) for name, c in columns(r).items()},
    "structured": structured,
    "structured integers": structured_integers,
    "structured slice": lambda r: np.repeat(structured(r), 2)[::2],
    "record array": lambda r: structured(r).view(np.recarray),
    "pandas": pandas_frame,
    "pandas Int64": lambda r: pandas_frame(r, "Int64"),
    "pandas Float32": lambda r: pandas_frame(r, "Float32"),
    "pandas object": lambda r: pandas_frame(r, object),
    "polars": polars_frame,
    "Arrow table": arrow_table,
    "Arrow batch": arrow_batch,
}
LYING_AS_COLUMNS = {"Fortran order", "transposed"}
"""Of UNNAMED, those that are scored as columns."""

KINDS = UNNAMED | NAMED


def pandas_missing(dtype, present):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({"x1": pandas.array([present, None], dtype), "x2": [2, 3]})


MISSING = {
    "lists": lambda: [[1, 2], [None, 3]],
    "list of dicts": lambda: [{"x1": 1, "x2": 2}, {"x1": None, "x2": 3}],
    "dict of lists": lambda: {"x1": [1, None], "x2": [2, 3]},
    "masked array": lambda: np.ma.array([[1, 2], [9, 3]], mask=[[0, 0], [1, 0]]),
    "masked objects": lambda: np.ma.array([[1, 2], [9, 3]], object, mask=[[0, 0], [1, 0]]),
    "masked rows": lambda: [np.ma.array([1, 2]), np.ma.array([9, 3], mask=[1, 0])],
    "masked column": lambda: {"x1": np.ma.array([1, 9], mask=[0, 1]), "x2": [2, 3]},
    "pandas Int64": lambda: pandas_missing("Int64", 1),
    "pandas boolean": lambda: pandas_missing("boolean", True),
    "polars": lambda: pytest.importorskip("polars").DataFrame({"x1": [1, None], "x2": [2, 3]}),
    "polars boolean": lambda: pytest.importorskip("polars").DataFrame(
        {"x1": [True, None], "x2": [2, 3]}
    ),
    "Arrow": lambda: pytest.importorskip("pyarrow").table({"x1": [1, None], "x2": [2, 3]}),
    "Arrow boolean": lambda: pytest.importorskip("pyarrow").table(
        {"x1": [True, None], "x2": [2, 3]}
    ),
}
"""Two rows, of which the second lacks x1."""
