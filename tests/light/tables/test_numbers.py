"""A value becomes the same number whatever its type, format and path."""

from decimal import Decimal

import numpy as np
import pytest

from light.helpers import assert_same_bits

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from serve_runtime.scoring.batches import score_batches  # noqa: E402
from serve_runtime.tables.numbers import is_number, may_be_numbers, to_floats  # noqa: E402
from serve_runtime.tables.read import read_batches  # noqa: E402

# Arrow's own casts are off by an ULP or two in each of the first four.
TEXTS = ["0.07", "-1234567.89", "8.41", "99999.99", "0.00", "16777217.00", "1.25"]
TYPES = [pa.decimal128(12, 2), pa.decimal128(38, 18), pa.decimal256(50, 2), pa.decimal256(76, 40)]
TYPES += [pa.dictionary(pa.int8(), pa.decimal128(12, 2))]
if hasattr(pa, "decimal64"):
    TYPES += [pa.decimal64(18, 2)]


def column(kind):
    values = [None, *map(Decimal, TEXTS)]
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(
            pa.array([None, *range(len(TEXTS))], kind.index_type), pa.array(values[1:])
        )
    return pa.array(values, kind)


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("number_type", [pa.float32(), pa.float64()], ids=str)
def test_a_decimal_is_the_number_of_its_text(tmp_path, kind, number_type):
    pq.write_table(pa.table({"x": column(kind)}), tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("\n".join(["x,z", *(f"{text},1" for text in ["", *TEXTS])]))
    wanted = pa.array([None, *(number_type.to_pandas_dtype()(text) for text in TEXTS)], number_type)
    for name in ("t.csv", "t.parquet"):
        (found,) = read_batches(str(tmp_path / name), ["x"], number_type=number_type)
        assert found.column(0).equals(wanted)


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_decimals_score_like_their_text(predictor, kind):
    values = column(kind).slice(1)
    x2 = np.ones(len(values), np.float32)
    batch = pa.RecordBatch.from_arrays([values, pa.array(x2)], ["x1", "x2"])
    (found,) = score_batches(predictor, [batch])
    wanted = predictor.probability({"x1": np.array(TEXTS, np.float32), "x2": x2})
    assert_same_bits(found["probability"].to_numpy(), wanted)


@pytest.mark.parametrize("values", [[2**24 + 1, 2**53 + 1, 2**60 + 2**36 + 1]])
def test_an_integer_beside_a_gap_is_rounded_once(predictor, values):
    """2^60 + 2^36 + 1 lies above the middle of two float32 numbers, and float64 loses the 1."""
    x1 = pa.array([*values, None])
    batch = pa.RecordBatch.from_arrays([x1, pa.array([1.0] * len(x1))], ["x1", "x2"])
    assert to_floats(x1, pa.float32()).to_pylist() == [2**24, 2**53, 2**60 + 2**37, None]
    with pytest.raises(ValueError, match="row 3, feature 'x1' is missing"):
        list(score_batches(predictor, [batch]))


@pytest.mark.parametrize("kind", [pa.null(), pa.dictionary(pa.int8(), pa.null())], ids=str)
def test_a_column_of_gaps_alone_is_one_of_numbers(predictor, kind):
    x1 = pa.nulls(3, kind)
    assert to_floats(x1, pa.float32()).equals(pa.nulls(3, pa.float32()))
    assert may_be_numbers(kind)
    assert not is_number(kind)
    batch = pa.RecordBatch.from_arrays([x1, pa.array([1.0] * 3)], ["x1", "x2"])
    with pytest.raises(ValueError, match="row 0, feature 'x1' is missing"):
        list(score_batches(predictor, [batch]))


def test_truths_are_numbers_however_they_are_kept():
    kinds = [pa.array([True, False, None])]
    kinds += [pa.array([True, False, None]).dictionary_encode()]
    if hasattr(pa, "bool8"):
        kinds += [pa.ExtensionArray.from_storage(pa.bool8(), pa.array([5, 0, None], pa.int8()))]
    for truths in kinds:
        assert is_number(truths.type)
        assert to_floats(truths, pa.float64()).to_pylist() == [1.0, 0.0, None]


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(), pa.date32(), pa.timestamp("us"), pa.duration("s"), pa.time32("s"), pa.binary(),
        pa.dictionary(pa.int8(), pa.string()), pa.list_(pa.float32()), pa.null(),
    ],
    ids=str,
)  # fmt: skip
def test_dates_and_texts_are_no_numbers(kind):
    assert not is_number(kind)
