"""Model files of encoded models, given raw values in onnxruntime, against numpy's encoding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light.bundle.graph.random_encodings import (
    BATCHES,
    NAMES,
    category,
    check_files,
    feed,
    number,
    random_column,
    random_model,
    random_rows,
    session,
)
from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.onnx_graph import write_model
from serve_runtime.error_budgets import LARGEST
from serve_runtime.features.column import CATEGORY, NUMBER, PRECISE


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_files_have_the_bits_of_the_encoding(seed):
    rng = np.random.default_rng(seed)
    names = rng.permutation(NAMES)[: rng.integers(1, 12)]
    model = random_model(rng, [random_column(rng, str(name)) for name in names])
    check_files(model, random_rows(rng, model.encoding, BATCHES[-1]))


@pytest.mark.parametrize("kinds", [(NUMBER,), (PRECISE,), (NUMBER, PRECISE, CATEGORY)])
@pytest.mark.parametrize("width", [30, 129, 300])
def test_files_have_the_bits_of_wide_encodings(width, kinds):
    rng = np.random.default_rng(width)
    columns = [random_column(rng, f"f{i}", kinds) for i in range(width)]
    model = random_model(rng, columns)
    expected = check_files(model, random_rows(rng, model.encoding, BATCHES[-1]))
    assert np.isfinite(expected).mean() > 0.3


SPECIAL = {
    "categories alone": [category("a"), category("b", ("x",))],
    "one category": [category("a", missing="level")],
    "no level": [category("a", (), unknown="rare", rare=("b",))],
    "one precise number": [number("when", kind=PRECISE)],
    "precise numbers alone": [number(f"t{i}", kind=PRECISE, missing="mean") for i in range(5)],
    "one number with gaps": [number("a", missing="median")],
    "gaps alone": [number(f"x{i}", missing="indicator") for i in range(7)],
    "one bent number": [number("a", knots=(0.5,))],
    "bent numbers alone": [
        number(f"x{i}", missing="indicator", knots=tuple(map(float, range(i + 1))))
        for i in range(7)
    ],
    "1,024 knots": [number("a", knots=tuple(map(float, range(1024)))), number("b")],
    "knots at the ends": [number("a", knots=(-LARGEST, -(2.0**-126), 0.0, 2.0**-126, LARGEST))],
    "100 bent numbers": [number(f"x{i}", knots=(0.0, 2.0**-126)) for i in range(100)],
    "300 categories": [category(f"c{i}", (str(i), "b")) for i in range(300)],
    "10,000 levels": [category("zip", [f"{i:05}" for i in range(10_000)]), number("x")],
    "long texts": [category("text", ["x" * 100_000, "x" * 100_001, "é" * 30_000])],
    "names of tensors": [category(name, missing="unknown") for name in NAMES],
}


@pytest.mark.parametrize("columns", SPECIAL.values(), ids=SPECIAL)
def test_files_of_special_encodings(columns):
    rng = np.random.default_rng(5)
    model = random_model(rng, columns)
    count = 100 if len(columns[0].levels) < 1000 else 10_100
    expected = check_files(model, random_rows(rng, model.encoding, count), (1, 3, count))
    assert np.isfinite(expected).any()


@pytest.mark.parametrize("layout", [ROWS, COLUMNS])
@pytest.mark.parametrize("optimised", [True, False])
def test_no_rows_have_no_scores(layout, optimised):
    rng = np.random.default_rng(1)
    columns = [category("c"), number("p", kind=PRECISE), number("x", missing="indicator")]
    columns.append(number("b", knots=(0.5,)))
    for some in ([columns[0]], columns[1:3], columns[3:], columns):
        model = random_model(rng, some)
        raw = random_rows(rng, model.encoding, 4)
        opened = session(write_model(model.affine, layout, model.encoding), 1, optimised)
        scores = opened.run(None, feed(model.encoding, raw, layout, 0))
        assert [each.shape for each in scores] == [(0, 1) if layout == ROWS else (1, 0)] * 2


def test_inputs_are_named_after_the_columns():
    columns = [
        category("numbers"),
        number("a"),
        number("logit", kind=PRECISE),
        category("größe"),
        number("b", missing="mean"),
        number("probability", kind=PRECISE),
        category("probability_"),
    ]
    model, shapes = random_model(np.random.default_rng(0), columns), {}
    for layout in (ROWS, COLUMNS):
        opened = session(write_model(model.affine, layout, model.encoding))
        shapes[layout] = [(v.name, v.type, v.shape) for v in opened.get_inputs()]
        shapes[layout] += [(v.name, v.shape) for v in opened.get_outputs()]
    single, double, text = "tensor(float)", "tensor(double)", "tensor(string)"
    assert shapes[ROWS] == [
        ("numbers_", single, ["batch", 2]),
        ("logit", double, ["batch", 1]),
        ("probability", double, ["batch", 1]),
        ("numbers", text, ["batch", 1]),
        ("größe", text, ["batch", 1]),
        ("probability_", text, ["batch", 1]),
        ("logit_", ["batch", 1]),
        ("probability__", ["batch", 1]),
    ]
    assert [(name, *rest[:-1], rest[-1][::-1]) for name, *rest in shapes[COLUMNS]] == shapes[ROWS]


def test_columns_without_numbers_leave_that_input_out():
    model = random_model(np.random.default_rng(0), [category("c"), number("p", kind=PRECISE)])
    opened = session(write_model(model.affine, ROWS, model.encoding))
    assert [value.name for value in opened.get_inputs()] == ["p", "c"]


def test_a_weight_that_no_key_holds_is_an_error():
    model = random_model(np.random.default_rng(0), [category("c")])
    model.encoding.tables[0][-1] = 7
    with pytest.raises(ValueError, match=r"category 0 has no rare levels: .* 0\.0, not 7\.0"):
        write_model(model.affine, ROWS, model.encoding)
