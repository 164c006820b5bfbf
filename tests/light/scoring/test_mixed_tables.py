"""Tables with texts, gaps and precise numbers: the same bits from every file as from memory."""

import csv
import re
import shlex

import numpy as np
import pytest

from light.helpers import assert_same_bits
from light.mixed import BORN, NAMES, mixed_predictor, mixed_rows
from serve_runtime import InputError, NonFiniteError
from serve_runtime.tables.dialect import Dialect

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from serve_runtime import score_batches, score_file  # noqa: E402
from serve_runtime.evaluation.evaluate_tables import evaluate_tables  # noqa: E402
from serve_runtime.scoring.score_file import score_with  # noqa: E402
from serve_runtime.scoring.score_summary import ScoreSummary  # noqa: E402
from serve_runtime.scoring.table_scorer import TableScorer  # noqa: E402

ROWS = mixed_rows(3000)


@pytest.fixture(scope="module")
def predictor():
    return mixed_predictor()


def table_of(kind):
    """The rows as an Arrow table whose texts are of this kind."""
    made = {name: pa.array(values) for name, values in ROWS.columns.items()}
    return pa.table(
        {
            name: column.cast(kind) if pa.types.is_string(column.type) else column
            for name, column in made.items()
        }
    )


def write_csv(path, dialect):
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=dialect.separator, quotechar=dialect.quote)
        writer.writerow(NAMES)
        for row in zip(*(ROWS.columns[name] for name in NAMES), strict=True):
            shown = ["" if value is None else value for value in row]
            writer.writerow(
                [str(v).replace(".", dialect.decimal) if isinstance(v, float) else v for v in shown]
            )


def probabilities(path):
    return pq.read_table(path).column("probability").to_numpy()


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "dictionary"])
def test_parquet_gives_the_bits_of_memory(predictor, tmp_path, kind):
    types = {"string_view": pa.string_view(), "dictionary": pa.dictionary(pa.int8(), pa.string())}
    table = table_of(types.get(kind, kind))
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=700)
    expected = predictor.probability(ROWS.columns)
    score_file(predictor, tmp_path / "t.parquet", tmp_path / "out.parquet", keep=["colour", "age"])
    assert_same_bits(probabilities(tmp_path / "out.parquet"), expected)
    kept = pq.read_table(tmp_path / "out.parquet").column("colour")
    assert kept.to_pylist() == ROWS.columns["colour"]
    found = pa.Table.from_batches(score_batches(predictor, table, keep=["code"]))
    assert_same_bits(found.column("probability").to_numpy(), expected)


@pytest.mark.parametrize("dialect", [Dialect(), Dialect(";", ","), Dialect("\t", quote="'")])
def test_csv_gives_the_bits_of_memory(predictor, tmp_path, dialect):
    write_csv(tmp_path / "t.csv", dialect)
    score_file(
        predictor, tmp_path / "t.csv", tmp_path / "out.parquet", keep=["colour"], dialect=dialect
    )
    assert_same_bits(probabilities(tmp_path / "out.parquet"), predictor.probability(ROWS.columns))


def test_timestamps_are_the_seconds_of_a_precise_column(predictor, tmp_path):
    table = table_of("string")
    micros = [None if s is None else round(s * 10**6) for s in ROWS.columns["born"]]
    at = table.schema.get_field_index("born")
    for kind in (pa.timestamp("us"), pa.timestamp("ns", "UTC"), pa.decimal128(20, 6)):
        born = pa.array(micros, pa.timestamp("us"))
        if pa.types.is_decimal(kind):
            born = table.column("born").combine_chunks()
        pq.write_table(table.set_column(at, "born", born.cast(kind)), tmp_path / "t.parquet")
        score_file(predictor, tmp_path / "t.parquet", tmp_path / "out.parquet")
        found = probabilities(tmp_path / "out.parquet")
        assert_same_bits(found, predictor.probability(ROWS.columns))


def test_labels_are_evaluated_on_raw_rows(predictor, tmp_path):
    table = table_of("string").append_column("y", pa.array(["no", "yes", "yes"] * 1000))
    pq.write_table(table, tmp_path / "t.parquet")
    found = evaluate_tables(predictor, tmp_path / "t.parquet", "y")
    labelled = predictor.predict(ROWS.columns) == "yes"
    wanted = np.array(table.column("y").to_pylist()) == "yes"
    assert found.accuracy == (labelled == wanted).mean()


def test_gaps_lie_in_no_range_and_precise_numbers_in_their_own(predictor, tmp_path):
    columns = {name: values[:30] for name, values in ROWS.columns.items()}
    columns["born"] = [None, BORN - 1, *[BORN + 1] * 28]
    columns["age"] = [None] * 15 + [200.0] + [1.0] * 14
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    summary = ScoreSummary(predictor.card)
    scorer = TableScorer(predictor, summary=summary)
    score_with(scorer, tmp_path / "t.parquet", tmp_path / "out.csv")
    first = summary.first_outside
    assert summary.rows_outside == 2
    assert (first.row, first.feature, first.value, first.low) == (1, "born", BORN - 1, BORN)


def test_a_text_among_numbers_and_a_number_of_texts_are_told(predictor, tmp_path):
    table = table_of("string")
    for name, values, message in (
        ("visits", ["x"] * 3000, r"must be numbers; these columns are not: 'visits' \(string"),
        ("colour", [b"x"] * 3000, r"must be texts, .*; these columns are not: 'colour' \(binary\)"),
    ):
        odd = table.set_column(table.schema.get_field_index(name), name, pa.array(values))
        pq.write_table(odd, tmp_path / "t.parquet")
        with pytest.raises(InputError, match=message):
            score_file(predictor, tmp_path / "t.parquet", tmp_path / "out.csv")
        with pytest.raises(InputError, match=message):
            list(score_batches(predictor, odd))


@pytest.mark.parametrize("kind", ["string", "dictionary"])
def test_gaps_and_unknown_levels_are_counted(predictor, tmp_path, kind):
    kinds = {"dictionary": pa.dictionary(pa.int8(), pa.string())}
    pq.write_table(table_of(kinds.get(kind, kind)), tmp_path / "t.parquet", row_group_size=700)
    summary = ScoreSummary(predictor.card)
    scorer = TableScorer(predictor, summary=summary)
    score_with(scorer, tmp_path / "t.parquet", tmp_path / "out.csv")
    categories = [column for column in predictor.card.columns if column.kind == "category"]
    missing = sum(
        int((codes == column.missing_code).sum())
        for column, codes in zip(categories, ROWS.codes, strict=True)
    )
    assert summary.gaps == np.isnan(ROWS.numbers).sum() + missing > 0
    unknown = {
        column.name: int((codes == 0).sum())
        for column, codes in zip(categories, ROWS.codes, strict=True)
    }
    assert summary.unknown_levels == {name: count for name, count in unknown.items() if count}
    assert summary.unknown_levels


MARKS = [("?", ()), ("-", ("n.a.", "a,b")), ("missing", ("?",))]


@pytest.mark.parametrize("before", [0, 3000])
@pytest.mark.parametrize("name", ["age", "born"])
@pytest.mark.parametrize(("mark", "known"), MARKS)
def test_a_mark_of_missing_values_is_taken_as_told(predictor, tmp_path, mark, known, name, before):
    """Where the model takes gaps, the message holds the option that makes the file one of them."""
    path, out = tmp_path / "t.csv", tmp_path / "out.parquet"
    rows = mixed_rows(before + 2, gaps=False).columns
    lines = [",".join(map(str, row)) for row in zip(*rows.values(), strict=True)]
    marked = dict(zip(NAMES, lines[before].split(","), strict=True)) | {name: mark}
    labelled = [f"{line},no" for line in [*lines[:before], ",".join(marked.values())]]
    path.write_text("\n".join([",".join([*NAMES, "y"]), *labelled]))
    dialect = {"missing": list(known)}
    with pytest.raises(InputError, match=rf"'{name}'.* missing value: say --missing ") as told:
        score_file(predictor, path, out, dialect=dialect)
    with pytest.raises(InputError, match=re.escape(str(told.value))):
        evaluate_tables(predictor, path, "y", dialect=dialect)
    said = shlex.split(re.search(r"--missing (.*) \(missing\)", str(told.value))[1])
    (texts,) = csv.reader(said)
    assert texts == [*known, mark]
    score_file(predictor, path, out, dialect={"missing": texts})
    expected = {key: values[: before + 1] for key, values in rows.items()}
    expected[name] = [*expected[name][:before], None]
    assert_same_bits(probabilities(out), predictor.probability(expected))


def test_a_mark_where_nothing_may_miss_has_no_option(predictor, tmp_path):
    row = {name: values[1] for name, values in ROWS.columns.items()}
    for changed in ({"visits": "?"}, {"visits": "?", "age": "?"}):
        lines = [",".join(NAMES), ",".join(map(str, {**row, **changed}.values()))]
        (tmp_path / "t.csv").write_text("\n".join(lines))
        with pytest.raises(InputError, match=r"'visits'.* must be finite: drop such rows or fill"):
            score_file(predictor, tmp_path / "t.csv", tmp_path / "out.csv")


def nothing(rows):
    """Columns of the Arrow types in which all values are missing."""
    none = pa.nulls(rows)
    return [none, pa.DictionaryArray.from_arrays(pa.nulls(rows, pa.int8()), pa.nulls(1))]


@pytest.mark.parametrize("rows", [0, 1, 3000])
@pytest.mark.parametrize("names", [["age"], ["born"], ["colour"], ["age", "born", "room"]])
def test_columns_without_any_value_are_gaps(predictor, tmp_path, names, rows):
    columns = {name: values[:rows] for name, values in ROWS.columns.items()}
    expected = predictor.probability({**columns, **{name: [None] * rows for name in names}})
    path, out, none = tmp_path / "t.parquet", tmp_path / "out.parquet", np.empty(0, np.float32)
    for column in nothing(rows):
        table = pa.table({**columns, **dict.fromkeys(names, column)})
        found = score_batches(predictor, table)
        assert_same_bits(np.concatenate([none, *(b["probability"] for b in found)]), expected)
        assert_same_bits(predictor.probability(table), expected)
    pq.write_table(pa.table({**columns, **dict.fromkeys(names, pa.nulls(rows))}), path)
    summary = ScoreSummary(predictor.card)
    score_with(TableScorer(predictor, summary=summary), path, out)
    assert_same_bits(probabilities(out), expected)
    assert summary.gaps >= rows * len(names)


def test_a_column_without_any_value_is_refused_by_row(predictor, tmp_path):
    path, message = tmp_path / "t.parquet", r"'visits' is missing \(NaN\); .* columns.missing"
    for column in nothing(3000):
        table = table_of("string").set_column(NAMES.index("visits"), "visits", column)
        with pytest.raises(NonFiniteError, match=rf"^row 0, feature {message}"):
            list(score_batches(predictor, table))
    pq.write_table(table_of("string").set_column(2, "visits", pa.nulls(3000)), path)
    with pytest.raises(NonFiniteError, match=rf"t.parquet: data row 1, feature {message}"):
        score_file(predictor, path, tmp_path / "out.csv")
