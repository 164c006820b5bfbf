"""Tables with texts and gaps: rows, codes and digests are those of the source in every format."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from train.recipe.recipe import Recipe
from train.standardize import Moments
from train.tables.columns.vocabulary import Vocabulary, code_table, sorted_ranks
from train.tables.load import load_tables


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "town": rng.choice(["Rome", "Ulm", None], 80),
            "when": 1_700_000_000 + rng.integers(0, 60, 80),
            "size": np.where(rng.random(80) < 0.2, np.nan, rng.integers(0, 9, 80) / 2),
            "land": rng.choice(["it", "de"], 80),
            "y": np.arange(80) % 2,
        }
    )


def load(path, **data):
    document = {"data": {"file": str(path), "target": "y", "holdout": 0, **data}}
    return load_tables(Recipe.from_dict(document), None, lambda line: None)


def texts(table, place):
    """The texts of a category, row by row, None where missing."""
    return [None if code < 0 else table.vocabularies[place][code] for code in table.codes[place]]


def test_rows_are_those_of_the_file(frame, tmp_path):
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = load(tmp_path / "t.csv")
    table = found.training
    assert table.feature_names == ("town", "when", "size", "land")
    assert table.reading.numbers == ("size", "when"), "precise numbers stand behind the others"
    assert np.array_equal(table.features, frame[["size", "when"]].T, equal_nan=True)
    assert table.reading.categories == ("town", "land")
    assert texts(table, 0) == [t if isinstance(t, str) else None for t in frame["town"]]
    assert texts(table, 1) == frame["land"].tolist()
    assert table.codes[0].dtype == np.int32
    chunks = list(table.chunks())
    assert np.array_equal(np.concatenate([c[1][1] for c in chunks]), table.codes[1])


def test_rows_held_out_share_the_vocabulary(frame, tmp_path):
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.assign(town="new").to_csv(tmp_path / "hold.csv", index=False)
    found = load(tmp_path / "t.csv", holdout=0.25)
    assert (found.training.rows, found.holdout.rows) == (60, 20)
    assert sorted(found.training.features[1].tolist() + found.holdout.features[1].tolist()) == (
        sorted(frame["when"])
    )
    found = load(tmp_path / "t.csv", holdout=str(tmp_path / "hold.csv"))
    table = code_table(found.decided.design.categories[0], found.holdout.vocabularies[0])
    assert set(table.take(found.holdout.codes[0])) == {0}
    assert set(table.take(found.training.codes[0])) == {1, 2, 3}


def test_a_digest_is_the_same_in_every_format(frame, tmp_path):
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    frame.to_parquet(tmp_path / "plain.parquet", index=False)
    frame.assign(town=frame["town"].astype("category")).to_parquet(tmp_path / "levels.parquet")
    kinds = {"town": pa.large_string(), "land": pa.string_view(), "size": pa.float32()}
    table = pa.Table.from_pandas(frame, preserve_index=False)
    fields = [pa.field(f.name, kinds.get(f.name, f.type)) for f in table.schema]
    pq.write_table(table.cast(pa.schema(fields)), tmp_path / "odd.parquet", row_group_size=7)
    paths = ("t.csv", "t.csv.gz", "plain.parquet", "levels.parquet", "odd.parquet")
    digests = {load(tmp_path / path).training.digest() for path in paths}
    assert len(digests) == 1


def test_moments_are_those_of_the_training_rows(frame, tmp_path):
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = load(tmp_path / "t.csv", holdout=0.25)
    assert found.training.reading.numbers == ("size", "when")
    expected = Moments.of(found.training.features)
    for name, values in vars(expected).items():
        assert np.array_equal(getattr(found.moments, name), values), name


@pytest.mark.parametrize(
    ("column", "value"), [("town", "x"), ("town", None), ("size", 77), ("size", None), ("y", 0)]
)
def test_a_digest_hangs_on_every_value(frame, tmp_path, column, value):
    frame.loc[:, ["town", "size", "y"]] = ["Rome", 0.5, 1]
    frame.loc[1, ["town", "size", "y"]] = ["Ulm", np.nan, 0]
    frame.loc[2, "town"] = None
    frame.to_csv(tmp_path / "t.csv", index=False)
    before = load(tmp_path / "t.csv").training.digest()
    frame.loc[7, column] = value
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert load(tmp_path / "t.csv").training.digest() != before


def test_ranks_do_not_hang_on_the_order_of_a_vocabulary():
    one, other = Vocabulary("c", ("?",)), Vocabulary("c", ("?",))
    rows = pa.array(["b", "a", None, "?", "c", "b"])
    other.encode(pa.array(["z", "c", "a"]), "t")
    found = [sorted_ranks(v.encode(rows, "t"), v.texts) for v in (one, other)]
    for there, ranks in found:
        assert there == ["a", "b", "c"]
        assert ranks.tolist() == [1, 0, -1, -1, 2, 1]


def test_points_may_be_categories():
    document = {
        "data": {"points": {"x": [[1, 5], [2, 6], [1, 7]], "y": [0, 1, 1]}, "holdout": 0},
        "columns": {"category": ["x1"]},
    }
    found = load_tables(Recipe.from_dict(document), None, lambda line: None)
    assert found.decided.design.columns[0].levels == ("1", "2")
    assert found.training.features.tolist() == [[5, 6, 7]]


@pytest.mark.parametrize("stop", ["", "."])
def test_a_full_stop_behind_all_labels_of_a_hold_out_file(frame, tmp_path, stop):
    named = frame.assign(y=np.where(frame["y"] == 1, ">50K", "<=50K"))
    named.to_csv(tmp_path / "t.csv", index=False)
    named.assign(y=named["y"] + stop).to_csv(tmp_path / "hold.csv", index=False)
    found = load(tmp_path / "t.csv", positive=">50K", holdout=str(tmp_path / "hold.csv"))
    assert np.array_equal(found.holdout.labels, frame["y"])
