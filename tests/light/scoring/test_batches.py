"""Streams of Arrow batches: what score_batches takes, gives, and refuses."""

import threading

import numpy as np
import pytest

from light.helpers import assert_same_bits
from serve_runtime import InputError
from serve_runtime.errors import NonFiniteError

pa = pytest.importorskip("pyarrow")

from serve_runtime.scoring.batches import score_batches  # noqa: E402

VALUES = {"x1": [1.0, 3.5, 6.0], "x2": [2.0, 1.0, 3.0]}


def batch(**columns):
    return pa.RecordBatch.from_pydict({**VALUES, **columns})


def scores(predictor, *batches, **options):
    return list(score_batches(predictor, batches, **options))


def test_each_batch_gives_one_with_kept_columns_then_the_scores(predictor):
    first, second = batch(id=["a", "b", "c"], z=[1, 2, 3]), batch(id=["d", "e", "f"], z=[4, 5, 6])
    found = scores(predictor, first, second.slice(1), keep=["z", "id"])
    assert [out.num_rows for out in found] == [3, 2]
    for out, given in zip(found, (first, second.slice(1)), strict=True):
        assert out.schema.names == ["z", "id", "probability", "label"]
        assert out.schema.types == [pa.int64(), pa.string(), pa.float32(), pa.int64()]
        assert out.select(["z", "id"]).equals(given.select(["z", "id"]))
        wanted = predictor.probability({name: given[name].to_numpy() for name in VALUES})
        assert_same_bits(out["probability"].to_numpy(), wanted)
        assert out["label"].to_pylist() == predictor.label(wanted).tolist()


def test_batches_are_taken_as_they_are_asked_for(predictor):
    taken = []

    def endless():
        while True:
            taken.append(threading.get_ident())
            yield batch()

    found = score_batches(predictor, endless())
    assert taken == []
    for count in (1, 2, 3):
        assert next(found).num_rows == 3
        assert taken == [threading.get_ident()] * count


@pytest.mark.parametrize("reader", [False, True])
def test_no_batches_give_none_and_empty_ones_stay_empty(predictor, reader):
    assert scores(predictor) == []
    batches = [batch().slice(0, 0), batch()]
    given = pa.RecordBatchReader.from_batches(batches[0].schema, batches) if reader else batches
    assert [out.num_rows for out in score_batches(predictor, given)] == [0, 3]


@pytest.mark.parametrize(
    "kind",
    [pa.int8(), pa.uint16(), pa.int64(), pa.float16(), pa.float64(), pa.decimal128(9, 1)],
    ids=str,
)
def test_any_numeric_type_scores_like_float32(predictor, kind):
    whole = pa.array([1, 0, 6], pa.int8())
    given = batch(x1=whole.cast(kind), extra=["a", "b", "c"])
    (found,) = scores(predictor, given)
    (wanted,) = scores(predictor, batch(x1=whole.cast(pa.float32())))
    assert_same_bits(found["probability"].to_numpy(), wanted["probability"].to_numpy())


def test_truths_are_one_and_zero(predictor):
    (found,) = scores(predictor, batch(x1=[True, False, True]))
    (wanted,) = scores(predictor, batch(x1=[1, 0, 1]))
    assert found.equals(wanted)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(pa.float32(), None), (pa.int64(), None), (pa.bool_(), None), (pa.decimal128(5), None),
     (pa.float64(), float("nan")), (pa.float64(), 1e39)],
)  # fmt: skip
def test_a_bad_row_is_counted_over_all_batches(predictor, kind, value):
    bad = batch(x2=pa.array([True, value, value]) if kind == pa.bool_() else
                pa.array([1, value, value], kind))  # fmt: skip
    with pytest.raises(NonFiniteError, match=r"^row 7, feature 'x2' is") as caught:
        scores(predictor, batch(), batch(), bad)
    assert (caught.value.row, caught.value.feature) == (7, "x2")


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (pa.RecordBatch.from_pydict({"x1": [1.0], "id": ["a"]}), "batch 1: .*missing: 'x2'"),
        (pa.RecordBatch.from_pydict(VALUES), r"batch 1: .*missing: 'id' \(got: 'x1', 'x2'\)"),
        (batch(id=[1, 2, 3]), "batch 1: column 'id' is int64, and was string before"),
        ({"id": ["a"], "x1": [1], "x2": [2]}, "batch 1 must be a pyarrow.RecordBatch; got dict"),
        (batch(id=["a"] * 3, x2=["1", "2", "3"]), r"batch 1: features must be .*: 'x2' \(string\)"),
        (
            pa.RecordBatch.from_arrays([pa.array([1.0])] * 4, ["x1", "x2", "x2", "id"]),
            "batch 1: .*more than one is named 'x2'",
        ),
    ],
)
def test_a_batch_of_other_columns_is_named_by_its_number(predictor, odd, message):
    found = score_batches(predictor, [batch(id=["a", "b", "c"]), odd], keep=["id"])
    assert next(found).num_rows == 3
    with pytest.raises(InputError, match=message):
        next(found)


def test_unneeded_columns_and_feature_types_may_change(predictor):
    other = batch(x1=pa.array([1, 3, 6]), more=[None] * 3)
    assert len(scores(predictor, batch(id=[1, 2, 3]), other, batch())) == 3


def test_a_table_is_its_batches(predictor):
    table = pa.Table.from_batches([batch(), batch()])
    assert pa.Table.from_batches(score_batches(predictor, table)).num_rows == 6


@pytest.mark.parametrize("other", ["string", "large_string", "string_view"])
@pytest.mark.parametrize("first", ["string", "large_string", "string_view"])
def test_kept_texts_have_the_type_of_the_first_batch(predictor, first, other):
    batches = [
        batch(id=pa.array(["a", None, "c"], kind)).replace_schema_metadata({"made": "by us"})
        for kind in map(pa.type_for_alias, (first, other))
    ]
    found = pa.Table.from_batches(score_batches(predictor, batches, keep=["id"]))
    assert found.schema.field("id").type == pa.type_for_alias(first)
    assert found["id"].to_pylist() == ["a", None, "c"] * 2


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (["label"], "cannot keep 'label'"),
        (["id", "id"], "must be named once; got 'id', 'id'"),
        ("id", r"keep must be a list of columns, such as \['id'\]; got one text"),
    ],
)
def test_columns_that_cannot_be_kept_are_refused_at_the_call(predictor, keep, message):
    with pytest.raises(InputError, match=message):
        score_batches(predictor, [], keep=keep)


def test_a_path_is_no_predictor():
    with pytest.raises(InputError, match="first argument must be a Predictor; got 'bundles/x'"):
        score_batches("bundles/x", [])


def test_scores_are_those_of_the_model_at_the_call(predictor):
    class Reloading:
        snapshots = 0

        def snapshot(self):
            self.snapshots += 1
            return predictor

    reloading = Reloading()
    found = score_batches(reloading, [batch(), batch()])
    assert reloading.snapshots == 1
    assert [out.num_rows for out in found] == [3, 3]
    assert reloading.snapshots == 1


def test_labels_are_split_where_predict_splits_them(predictor):
    x = np.linspace(-3, 8, 5001, dtype=np.float32)
    (found,) = scores(predictor, pa.RecordBatch.from_pydict({"x1": x, "x2": x}))
    assert found["label"].to_pylist() == predictor.predict({"x1": x, "x2": x}).tolist()
