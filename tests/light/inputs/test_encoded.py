"""Rows with texts and gaps: the same bits through every kind of input, and what is refused."""

import datetime
from collections import deque
from dataclasses import replace
from decimal import Decimal
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from light.bundle.graph.random_encodings import around_knots, number, random_model
from light.helpers import assert_same_bits
from light.inputs.mixed_kinds import KINDS, dicts
from light.mixed import (
    COLOUR,
    ENCODING,
    NAMES,
    NAN,
    STRAIGHT,
    Rows,
    mixed_predictor,
    mixed_rows,
    model_of,
    predictor_of,
)
from serve_runtime import InputError, LevelError, LogitOverflowError, NonFiniteError, RowError
from serve_runtime.bundle.affine import Affine
from serve_runtime.features.column import CATEGORY, Column
from serve_runtime.features.curve import Curve
from serve_runtime.features.encoding import Encoding


@pytest.fixture(scope="module")
def predictor():
    return mixed_predictor()


@pytest.fixture(scope="module")
def straight():
    return predictor_of(model_of(STRAIGHT.columns, encoding=STRAIGHT))


BENT_ALONE = (
    number("a", missing="median", knots=(0.0, 2.0**-126, 1.0)),
    number("b", missing="indicator", knots=tuple(map(float, range(-7, 80)))),
    number("c", missing="mean", knots=tuple(map(float, range(0, 3000, 10)))),
)
"""Compared with every knot, and of many knots, searched for."""

ROWS = {count: mixed_rows(count) for count in (1, 100, 1024, 100_000)}


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_bits(predictor, kind, rows):
    expected = ROWS[rows].logits()
    assert_same_bits(predictor.decision_function(KINDS[kind](ROWS[rows].columns)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_bits_without_curves(straight, kind):
    for rows in (ROWS[1], ROWS[1024]):
        found = straight.decision_function(KINDS[kind](rows.columns))
        assert_same_bits(found, rows.logits(encoding=STRAIGHT))


NEVER_EMPTY = {"Arrow chunks", "Arrow slice", "pandas Arrow dictionary"}
"""Kinds that cannot be made of no rows."""


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - NEVER_EMPTY))
def test_no_rows_give_no_scores(predictor, kind):
    empty = {name: [] for name in NAMES}
    assert predictor.probability(KINDS[kind](empty)).shape == (0,)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_bits_on_two_threads(kind):
    rows = ROWS[100_000]
    found = mixed_predictor(threads=2).decision_function(KINDS[kind](rows.columns))
    assert_same_bits(found, rows.logits())


@pytest.mark.parametrize("kind", ["predictor", "straight"])
def test_one_row_has_the_bits_that_it_has_in_a_batch(request, kind):
    rows, predictor = mixed_rows(500, seed=1), request.getfixturevalue(kind)
    logit, probability = predictor.scores(rows.columns)
    for i, row in enumerate(dicts(rows.columns)):
        for one in (row, [row], (row,), [list(row.values())]):
            assert predictor.decision_function(one)[0] == logit[i]
            assert predictor.probability(one)[0] == probability[i]
        assert [score[0] for score in predictor.scores(row)] == [logit[i], probability[i]]


def test_values_that_one_row_may_have(predictor):
    """Each in one row as a dict, which is encoded by itself, and among others."""
    (row,) = dicts(mixed_rows(1, gaps=False).columns)
    odd = [
        {"age": None}, {"age": float("nan")}, {"age": np.float64("nan")}, {"age": pd.NA},
        {"age": True}, {"age": 2**53 + 1}, {"age": Decimal("0.1")}, {"age": np.float32(0.1)},
        {"born": None}, {"born": 1_700_000_000}, {"born": Decimal("1700000000.1")},
        {"born": datetime.datetime(2023, 11, 14)}, {"born": np.float64(1.7e9)},
        {"colour": None}, {"colour": float("nan")}, {"colour": "new"}, {"colour": np.str_("blau")},
        {"code": 3}, {"code": 3.0}, {"code": Decimal(3)}, {"code": True}, {"code": 1}, {"code": 0},
        {"age": None, "born": float("nan"), "colour": None, "room": None}, {"visits": np.int64(3)},
    ]  # fmt: skip
    for changed in odd:
        both = [{**row, **changed}, row]
        assert predictor.decision_function(both[:1])[0] == predictor.decision_function(both)[0]


@cache
def strict(threads=1):
    """A model that refuses every gap, and every unknown level."""
    tables = [table.copy() for table in ENCODING.tables]
    for table in tables:
        table[[0, -2]] = NAN
    fill = np.full(3, NAN, np.float32)
    return mixed_predictor(threads, fill=fill, tables=tuple(tables))


GOOD = dicts(mixed_rows(3, gaps=False).columns)[0] | {"colour": "rot", "code": "3", "room": "hall"}


@pytest.mark.parametrize("rows", [1, 2, 300, 70_000])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("changed", "error", "value", "message"),
    [
        ({"age": None}, NonFiniteError, "nan", r"'age' is missing \(NaN\); .* columns.missing"),
        ({"born": None}, NonFiniteError, "nan", r"'born' is missing \(NaN\)"),
        ({"visits": float("-inf")}, NonFiniteError, "-inf", "'visits' is -inf as float32"),
        ({"born": float("inf")}, NonFiniteError, "inf", "'born' is inf as float32"),
        ({"born": 1e39}, NonFiniteError, "inf", "'born' is inf as float32"),
        ({"colour": None}, LevelError, "None", "'colour' is missing; .* columns.missing"),
        ({"room": ""}, LevelError, "None", "'room' is missing; the model was trained to refuse"),
        ({"code": 4}, LevelError, "4", "'code' has the level '4', which training did not see; .*"),
        ({"room": "Hall"}, LevelError, "Hall", "'room' has the level 'Hall', .* columns.unknown"),
        ({"room": "x", "age": None}, NonFiniteError, "nan", "'age' is missing"),
        ({"visits": 3e38, "age": -3e38}, LogitOverflowError, None, "overflow float32"),
    ],
)
def test_a_row_that_is_refused_is_named(rows, threads, changed, error, value, message):
    predictor = overflowing(threads) if error is LogitOverflowError else strict(threads)
    columns = {name: [GOOD[name]] * rows for name in NAMES}
    for name, found in changed.items():
        columns[name][rows // 2] = found
    with pytest.raises(error, match=rf"^row {rows // 2}\b.*{message}") as raised:
        predictor.probability(columns)
    assert raised.value.row == rows // 2
    if value is not None:
        assert str(raised.value.value) == value
        assert raised.value.feature in changed
    if rows == 1:
        with pytest.raises(error, match=message):
            predictor.probability([{name: values[0] for name, values in columns.items()}])


def overflowing(threads=1):
    """A model whose numbers overflow."""
    affine = Affine(np.array([9.0, 9.0, 0.0], np.float32), 0.1)
    return predictor_of(model_of(affine=affine), threads)


def test_the_first_refused_row_is_named():
    columns = {name: [GOOD[name]] * 500 for name in NAMES}
    columns["room"][400], columns["age"][300], columns["code"][200] = "no", None, "no"
    for row, name in ((200, "code"), (300, "age"), (400, "room")):
        with pytest.raises(RowError, match=rf"^row {row}, feature '{name}'"):
            strict().probability(columns)
        columns[name][row] = GOOD[name]
    assert len(strict().probability(columns)) == 500


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint32", "int64", "uint64"])
def test_indices_of_every_type_give_the_same_bits(kind):
    rows = mixed_rows(20_000, gaps=False)
    columns = dict(rows.columns)
    for name in ("colour", "code", "room"):
        distinct = sorted(set(columns[name]))
        indices = pa.array(np.searchsorted(distinct, columns[name]), kind)
        columns[name] = pa.DictionaryArray.from_arrays(indices, pa.array(distinct))
    assert_same_bits(mixed_predictor().decision_function(columns), rows.logits())


def test_a_column_without_slices_is_named_too():
    columns = {name: [GOOD[name]] * 2 for name in NAMES} | {"room": deque(["hall", "no"])}
    with pytest.raises(LevelError, match=r"^row 1, feature 'room' has the level 'no'"):
        strict().probability(columns)


def test_a_row_too_large_is_named_before_a_later_refusal():
    predictor = overflowing()
    columns = {name: [GOOD[name]] * 10 for name in NAMES}
    columns["visits"][3], columns["visits"][2] = None, 3.4e38
    with pytest.raises(LogitOverflowError, match=r"^row 2 "):
        predictor.probability(columns)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            np.zeros((2, 6), np.float32),
            r"categories \('colour', 'code', 'room'\), which an array of",
        ),
        (
            np.zeros((2, 6), np.int64),
            "which an array of int64 cannot hold: pass columns with names",
        ),
        (np.zeros((2, 5)), "x must have 6 features per row .* got 5"),
        ([["1", "rot", 2, 3.0, "3", "hall"]], "'age' must be numeric; got the text '1' in row 0"),
        (np.array([["1"] * 6]), "feature 'age' must be numeric; got the text '1' in row 0"),
        ([[1, "rot", 2, 3.0, "3"]], "x must have 6 features per row .* got 5"),
        ([GOOD, {**GOOD, "age": "?"}], "'age' must be numeric; got the text '\\?' in row 1"),
        ([GOOD, {**GOOD, "room": b"hall"}], "row 1, .*'room' is a category: .* got a bytes"),
        (
            [GOOD, {**GOOD, "room": 7}],
            "row 1, .*'room' is a category: its levels are texts such as 'bath'",
        ),
        ({**GOOD, "age": [1, 2], "room": ["hall"]}, "one-dimensional and of equal length|column"),
        ({name: [GOOD[name]] for name in NAMES if name != "room"}, "missing: 'room'"),
        ([{name: GOOD[name] for name in NAMES if name != "room"}], "row 0: .* missing: 'room'"),
        ({**mixed_rows(3).columns, "room": "bat"}, "'room' must be a column of values; got a str"),
        (
            {**mixed_rows(3).columns, "room": np.array([["bath"]] * 3)},
            r"one-dimensional and of equal length; got .* 'room': \(3, 1\)",
        ),
        ("file.csv", "to score a file use score_file"),
        (None, "got a NoneType"),
    ],
)
def test_what_is_no_row_is_refused(predictor, x, message):
    with pytest.raises(InputError, match=message):
        predictor.probability(x)


def test_a_model_of_numbers_with_gaps_takes_arrays():
    columns = (
        Column("a", low=0.0, high=1.0, missing="median", gaps=1),
        Column("b", low=0.0, high=1.0),
    )
    encoding = Encoding(
        columns, np.array([0.5, NAN], np.float32), np.zeros(2, np.float32), np.empty(0), ()
    )
    affine = Affine(np.array([2.0, -1.0], np.float32), 0.25)
    predictor = predictor_of(model_of(columns, affine, encoding))
    rows = np.array([[NAN, 1], [3, 2]] * 50, np.float32)
    expected = predictor.decision_function(rows.tolist())
    assert expected[:2].tolist() == [0.25, 4.25]
    for x in (
        rows,
        np.asfortranarray(rows),
        rows.astype(object),
        {"a": rows[:, 0], "b": rows[:, 1]},
    ):
        assert_same_bits(predictor.decision_function(x), expected)
    with pytest.raises(NonFiniteError, match="row 1, feature 'b' is missing"):
        predictor.probability([[1, 2], [1, None]])


def test_a_model_of_categories_alone(predictor):
    encoding = replace(
        STRAIGHT, columns=(COLOUR,), tables=ENCODING.tables[:1], fill=np.empty(0, np.float32),
        gap=np.empty(0, np.float32), center=np.empty(0),
    )  # fmt: skip
    affine = Affine(np.empty(0, np.float32), 0.5)
    alone = predictor_of(model_of((COLOUR,), affine, encoding))
    texts = mixed_rows(100_000).columns["colour"]
    code = COLOUR.code_by_text()
    codes = np.array([code.get(text, 0) if text else COLOUR.missing_code for text in texts])
    expected = np.float32(0.5) + ENCODING.tables[0][codes]
    for count in (1, 7, 300, 100_000):
        found = alone.decision_function({"colour": texts[:count]})
        assert_same_bits(found, expected[:count])
        both = alone.scores([[text] for text in texts[:count]])
        assert_same_bits(both[0], expected[:count])
    assert alone.decision_function([{"colour": texts[1]}])[0] == expected[1]


def test_many_levels(predictor):
    levels = tuple(sorted(f"level {number}" for number in range(50_000)))
    column = Column("c", CATEGORY, levels=levels, counts=(1,) * len(levels))
    table = np.random.default_rng(0).normal(size=column.codes).astype(np.float32)
    encoding = Encoding(
        (column,), np.empty(0, np.float32), np.empty(0, np.float32), np.empty(0), (table,)
    )
    found = predictor_of(model_of((column,), Affine(np.empty(0, np.float32), 0.0), encoding))
    codes = np.random.default_rng(1).integers(1, len(levels), 70_000)
    texts = [levels[code - 1] for code in codes]
    for x in ({"c": texts}, {"c": pa.array(texts)}, pd.DataFrame({"c": texts}, dtype="category")):
        assert_same_bits(found.decision_function(x), table[codes])


def bent_predictor(knots=(-1.0, 2.0), slope=(1e30, 0, -1e30), **column):
    """Of one bent number, `x`, beside a straight one."""
    columns = (
        Column("x", low=0.0, high=1.0, knots=knots, **column),
        Column("y", low=0.0, high=1.0),
    )
    curve = Curve(*(np.array(part, np.float32) for part in (knots, np.ones(len(slope)), slope)))
    fill = np.array([NAN if column.get("missing", "error") == "error" else 0.5, NAN], np.float32)
    encoding = Encoding(columns, fill, np.zeros(2, np.float32), np.empty(0), (), (curve,))
    return predictor_of(model_of(columns, Affine(np.array([0, 1], np.float32), 0.5), encoding))


@pytest.mark.parametrize("rows", [1, 2, 300, 70_000])
@pytest.mark.parametrize("state", [{}, {"all": "raise"}, {"all": "warn"}])
def test_curves_that_overflow_are_refused(rows, state):
    predictor = bent_predictor()
    for x, error in {
        3e38: LogitOverflowError,
        -3e38: LogitOverflowError,
        2e8: LogitOverflowError,
        float("inf"): NonFiniteError,
        float("nan"): NonFiniteError,
    }.items():
        columns = {"x": np.ones(rows, np.float32), "y": np.zeros(rows, np.float32)}
        columns["x"][-1] = x
        given = [columns, np.stack([*columns.values()], axis=1)]
        if rows == 1:
            given += [{"x": x, "y": 0.0}, [{"x": x, "y": 0.0}]]
        for kind in given:
            with np.errstate(**state), pytest.raises(error, match=rf"^row {rows - 1}\b"):
                predictor.probability(kind)


def test_large_offsets_of_curves_are_scores():
    predictor = bent_predictor()
    columns = {"x": np.float32([1, 7e7, -7e7]), "y": np.float32([0, 0, 0])}
    with np.errstate(all="raise"):
        found = predictor.decision_function(columns)
        alone = [predictor.decision_function({"x": x, "y": 0.0})[0] for x in (1.0, 7e7, -7e7)]
    assert found.tolist() == alone
    assert found[0] == 1.5
    assert -(2.0**126) < found[1] < -6e37
    assert found[2] == found[1] < 0


@pytest.mark.parametrize("rows", [1, 3, 5000, 150_000])
@pytest.mark.parametrize("threads", [1, 2])
def test_bent_numbers_alone_have_the_bits_of_the_encoding(rows, threads):
    """Columns one behind the other, which are read where they lie, and apart; with and without
    gaps; of several types."""
    model = random_model(np.random.default_rng(8), BENT_ALONE)
    predictor = predictor_of(model_of(BENT_ALONE, *model), threads)
    for gaps in (False, True):
        numbers = np.stack([
            around_knots(np.random.default_rng(9), curve.knots, rows) for curve in model[1].curves
        ])  # fmt: skip
        numbers = np.clip(numbers, -1e20, 1e20)
        if gaps:
            numbers[:, ::7] = NAN
        made = Rows({}, numbers, [])
        expected = made.logits(*model)
        joined = dict(zip("abc", numbers, strict=True))
        for taken in (
            joined,
            numbers.T,
            np.ascontiguousarray(numbers.T),
            {name: values.astype(np.float64) for name, values in joined.items()},
            {name: np.repeat(values, 3)[::3] for name, values in joined.items()},
        ):
            assert_same_bits(predictor.decision_function(taken), expected)
        for row in range(0, min(rows, 500)):
            alone = {name: float(values[row]) for name, values in joined.items()}
            assert predictor.decision_function(alone)[0] == expected[row]


@pytest.mark.parametrize("rows", [1, 2, 300, 20_000])
@pytest.mark.parametrize("levels", [2, 200])
@pytest.mark.parametrize("state", [{}, {"all": "raise"}, {"all": "warn"}])
def test_offsets_that_overflow_are_refused(rows, levels, state):
    """Sums of two groups of categories, looked up one by one or together, and of a gap."""
    names = tuple(sorted(f"level {number}" for number in range(levels)))
    columns = (
        Column("x", low=0.0, high=1.0, missing="indicator", gaps=1),
        *(Column(name, CATEGORY, levels=names, counts=(1,) * levels) for name in "abcd"),
    )
    large = np.full(levels + 3, 3e38, np.float32)
    large[0] = 0
    encoding = Encoding(
        columns, np.zeros(1, np.float32), large[1:2], np.empty(0), (large, large, -large, -large)
    )
    predictor = predictor_of(model_of(columns, Affine(np.ones(1, np.float32), 0.0), encoding))
    known, unknown = names[-1], "new"
    for changed in (
        {"a": known, "b": known},
        dict.fromkeys("abcd", known),
        {"a": known, "c": known},
        {"x": None, "a": known},
        {},
    ):
        row = {"x": 1.0, **dict.fromkeys("abcd", unknown), **changed}
        for x in ([row] * rows, {name: [value] * rows for name, value in row.items()}):
            with np.errstate(**state), pytest.raises(LogitOverflowError, match=r"^row 0 "):
                predictor.probability(x)
