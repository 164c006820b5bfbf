"""Other names for the columns of scores, and input columns that are called like them."""

import pytest

from light.helpers import assert_same_bits, column
from serve_runtime import InputError, OutputError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from serve_runtime import score_batches, score_file  # noqa: E402

NAMES = {"probability": "p", "label": "predicted"}
TABLE = {"x1": [1.0, 6.0], "x2": [2.0, 3.0], "label": ["old", "older"], "probability": [0.5, 7.0]}
CSV = "label,x1,x2,probability\nold,1,2,0.5\nolder,6,3,7\n"


def test_a_batch_has_the_names_that_were_given(predictor):
    table = pa.table(TABLE)
    (found,) = score_batches(predictor, table, keep=["probability", "label"], names=NAMES)
    assert found.schema.names == ["probability", "label", "p", "predicted"]
    assert found["label"].to_pylist() == TABLE["label"]
    assert found["probability"].to_pylist() == TABLE["probability"]
    (usual,) = score_batches(predictor, table)
    assert_same_bits(found["p"].to_numpy(), usual["probability"].to_numpy())
    assert found["predicted"].equals(usual["label"])


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (None, ["probability", "label"]),
        ({}, ["probability", "label"]),
        ({"label": "probability", "probability": "label"}, ["label", "probability"]),
        ({"probability": "x1"}, ["x1", "label"]),
        ({"label": "größer, als"}, ["probability", "größer, als"]),
    ],
)
def test_one_name_or_both_can_be_given(predictor, names, columns):
    (found,) = score_batches(predictor, pa.table(TABLE), names=names)
    assert found.schema.names == columns


@pytest.mark.parametrize(
    ("names", "keep", "message"),
    [
        (
            {"score": "p"},
            (),
            "names must map 'probability' and 'label', or one of them, to another",
        ),
        ({"label": ""}, (), r"to another name; got {'label': ''}"),
        ({"label": 3}, (), r"to another name; got {'label': 3}"),
        (["label"], (), r"names must map .*; got \['label'\]"),
        ("label=p", (), "names must map .*; got 'label=p'"),
        ({"label": "probability"}, (), "different names; both are 'probability'"),
        ({"label": "p", "probability": "p"}, (), "different names; both are 'p'"),
        (
            {"label": "x1"},
            ["x1"],
            "cannot keep 'x1': .* under that name; give them other names, with",
        ),
        ({"label": "p"}, ["probability"], "cannot keep 'probability': the scores are written"),
    ],
)
def test_names_that_cannot_be_used_are_refused(predictor, names, keep, message):
    with pytest.raises(InputError, match=message):
        score_batches(predictor, [], keep=keep, names=names)


@pytest.mark.parametrize("output", ["out.csv", "out.parquet"])
def test_a_file_keeps_a_column_called_label(score, output):
    path, _ = score(CSV, output, keep=["label", "probability"], names=NAMES)
    table = pq.read_table(path) if output == "out.parquet" else None
    for name, values in (("label", ["old", "older"]), ("probability", ["0.5", "7"])):
        assert (table[name].to_pylist() if table else column(name, path)) == values
    found = table["predicted"].to_pylist() if table else column("predicted", path)
    assert list(map(int, found)) == [0, 1]


def test_only_labels_are_written_with_a_dictionary(score):
    path, _ = score(CSV, "out.parquet", keep=["probability"], names=NAMES)
    columns = pq.ParquetFile(path).metadata.row_group(0)
    encoded = {
        columns.column(i).path_in_schema: columns.column(i).has_dictionary_page
        for i in range(columns.num_columns)
    }
    assert encoded == {"probability": True, "p": False, "predicted": True}


def test_a_folder_is_resumed_with_the_same_names_only(predictor, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text(CSV)

    def run(**options):
        return score_file(predictor, tmp_path / "data", tmp_path / "out", **options)

    assert run(names=NAMES) == 2
    (tmp_path / "data" / "b.csv").write_text(CSV)
    message = (
        r"other settings \(score columns: \['p', 'predicted'\], now \['probability', 'label'\]\)"
    )
    with pytest.raises(OutputError, match=message):
        run(resume=True)
    assert run(resume=True, names=NAMES) == 2
    assert column("p", tmp_path / "out" / "a.csv") == column("p", tmp_path / "out" / "b.csv")
