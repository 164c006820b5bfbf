"""Tables of any dialect are scored like plain ones."""

import io
import sys
from dataclasses import replace

import pytest

from light.helpers import column, write_model
from serve_runtime import InputError, OutputError, Predictor
from serve_runtime.tables.dialect import Dialect

pa = pytest.importorskip("pyarrow")

from serve_runtime import score_file  # noqa: E402
from serve_runtime.evaluation.evaluate_tables import evaluate_tables  # noqa: E402
from serve_runtime.scoring.table_scorer import TableScorer  # noqa: E402

PLAIN = "id,x1,x2,y\n007,1.5,2,0\n008,6,3,1\n"
EUROPEAN = "id;x1;x2;y\n007;1,5;2;0\n008;6;3;1\n"


@pytest.fixture
def scores(predictor, tmp_path):
    """Score a text, and return the lines of the output."""

    def score(content, encoding="utf-8", **options):
        (tmp_path / "in.csv").write_text(content, encoding=encoding)
        score_file(predictor, tmp_path / "in.csv", tmp_path / "out.csv", keep=["id"], **options)
        return (tmp_path / "out.csv").read_text().splitlines()

    return score


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (EUROPEAN, {}),
        (EUROPEAN.replace(";", "\t"), {}),
        (PLAIN.replace(",", ", "), {}),
        (PLAIN.replace(",", "   "), {}),
        (EUROPEAN.replace("1,5", '"1,5"').replace(";", ","), {"dialect": {"decimal": ","}}),
        (PLAIN.replace(",", ":"), {"dialect": {"separator": ":"}}),
        (EUROPEAN.replace("y", "é"), {"dialect": {"encoding": "cp1252"}, "encoding": "cp1252"}),
    ],
)  # fmt: skip
def test_scores_and_kept_texts_are_those_of_plain_csv(scores, content, options):
    assert scores(content, **options) == scores(PLAIN)


def test_standard_input_may_have_any_dialect(scores, predictor, tmp_path, monkeypatch):
    expected = scores(PLAIN)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(EUROPEAN.encode())))
    score_file(predictor, "-", tmp_path / "out.csv", keep=["id"])
    assert (tmp_path / "out.csv").read_text().splitlines() == expected


def test_a_mark_of_missing_values_is_refused_as_a_gap(scores):
    content = PLAIN.replace("1.5", "?")
    with pytest.raises(InputError, match=r"'x1' \('\?' is no number\)"):
        scores(content)
    with pytest.raises(InputError, match="data row 1, feature 'x1' is missing"):
        scores(content, dialect={"missing": ["?"]})


@pytest.fixture
def folder(tmp_path):
    """Two tables with semicolons; only the first shows the decimal comma."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text(EUROPEAN)
    (folder / "b.csv").write_text("id;x1;x2;y\n1;3;2;1\n")
    return folder


def test_all_tables_are_read_like_the_first(predictor, folder, tmp_path):
    assert score_file(predictor, folder, tmp_path / "out.csv", keep=["id"]) == 3
    assert column("id", tmp_path / "out.csv") == ["007", "008", "1"]
    (folder / "c.csv").write_text(PLAIN)
    with pytest.raises(
        InputError, match=r"c.csv: its first line is one column, .* --separator ','"
    ):
        score_file(predictor, folder, tmp_path / "out.csv")
    (folder / "c.csv").write_text("id;x1;x2;y\n1;3.5;2;1\n")
    with pytest.raises(InputError, match=r"c.csv, line 2: .*'3.5' is no number.* --decimal \."):
        score_file(predictor, folder, tmp_path / "out/")
    (folder / "c.csv").unlink()
    assert score_file(predictor, folder, tmp_path / "out/", resume=True) == 0


def test_resuming_reads_like_the_first_table_too(predictor, folder, tmp_path):
    assert score_file(predictor, folder, tmp_path / "out/") == 3
    (folder / "c.csv").write_text("id;x1;x2;y\n1;3.5;2;1\n")
    with pytest.raises(InputError, match=r"c.csv, line 2: .*'3.5' is no number.* --decimal \."):
        score_file(predictor, folder, tmp_path / "out/", resume=True)
    with pytest.raises(OutputError, match=r"other settings \(dialect: None, now .*'encoding'"):
        score_file(predictor, folder, tmp_path / "out/", resume=True, dialect={"encoding": "ascii"})


def test_labels_are_evaluated_in_any_dialect(predictor, folder, tmp_path):
    (tmp_path / "t.csv").write_text(PLAIN + "1,3,2,1\n")
    expected = evaluate_tables(predictor, tmp_path / "t.csv", "y")
    assert evaluate_tables(predictor, folder, "y") == expected
    (tmp_path / "t.csv").write_text(EUROPEAN.replace(";", ":") + "1:3:2:1\n")
    found = evaluate_tables(predictor, tmp_path / "t.csv", "y", dialect={"separator": ":"})
    assert found == expected


@pytest.fixture
def european(predictor, tmp_path):
    """A model whose tables have semicolons and decimal commas."""
    dialect = Dialect(";", ",", missing=("?",)).to_mapping()
    write_model(tmp_path / "model.onnx", replace(predictor.card, dialect=dialect))
    return Predictor(tmp_path / "model.onnx")


def test_the_dialect_of_the_card_is_taken(european, tmp_path):
    path, out = tmp_path / "in.csv", tmp_path / "out.csv"
    path.write_text("x1;x2\n3;2\n")
    assert score_file(european, path, out) == 1
    path.write_text("x1;x2\n3.5;2\n")
    with pytest.raises(InputError, match=r"'3.5' is no number.* --decimal \."):
        score_file(european, path, out)
    assert score_file(european, path, out, dialect={"decimal": "."}) == 1
    path.write_text("x1,x2\n3.5,2\n?,2\n")
    with pytest.raises(InputError, match=r"as it is separated by ';' here: say --separator ','"):
        score_file(european, path, out)
    with pytest.raises(InputError, match="data row 2, feature 'x1' is missing"):
        score_file(european, path, out, dialect={"separator": ","})


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp1251", "shift_jis"])
def test_utf8_where_the_card_says_another_encoding(predictor, encoding, tmp_path):
    dialect = Dialect(encoding=encoding).to_mapping()
    write_model(tmp_path / "model.onnx", replace(predictor.card, dialect=dialect))
    model, path, out = Predictor(tmp_path / "model.onnx"), tmp_path / "in.csv", tmp_path / "o.csv"
    shown = {"shift_jis": "日本", "cp1251": "яяё"}.get(encoding, "é")
    text = PLAIN.replace("008", shown)
    for lines in ("", "1,1,1,1\n" * 50_000):
        path.write_text(f"{PLAIN}{lines}{shown},1,1,1\n", encoding="utf-8")
        message = rf"in.csv is in UTF-8 \('{shown[0]}'\), and the model's tables are in .*: say "
        with pytest.raises(InputError, match=message + "--encoding utf-8"):
            score_file(model, path, out)
        with pytest.raises(InputError, match=message):
            evaluate_tables(model, path, "y")
        rows = score_file(model, path, out, keep=["id"], dialect={"encoding": "utf-8"})
        assert column("id", out)[-1] == shown
        assert score_file(model, path, out, dialect={"encoding": encoding}) == rows
    path.write_text(text, encoding=encoding)
    assert score_file(model, path, out, keep=["id"]) == 2
    assert column("id", out)[-1] == shown
    path.write_text(PLAIN)
    assert score_file(model, path, out) == 2


def test_a_header_where_the_model_knows_none(predictor, tmp_path):
    path, out = tmp_path / "in.csv", tmp_path / "out.csv"
    path.write_text(PLAIN)
    for names in ((), ("a", "x1", "x2", "d")):
        dialect = Dialect(header=False, names=names).to_mapping()
        columns = names[1:3] or ("f1", "f2")
        columns = [replace(c, name=n) for c, n in zip(predictor.card.columns, columns, strict=True)]
        card = replace(predictor.card, dialect=dialect, columns=tuple(columns))
        write_model(tmp_path / "model.onnx", card)
        model = Predictor(tmp_path / "model.onnx")
        with pytest.raises(InputError, match="If the first line holds the names of columns, say "
                           "--header" + "(?!, or)" * bool(names)):  # fmt: skip
            score_file(model, path, out)
        if names:
            assert score_file(model, path, out, header=True) == 2
            path.write_text("a,x1,x2,d\n1,1,1,1\n")
            with pytest.raises(InputError, match="first line holds the names of its columns: say"):
                score_file(model, path, out)
            assert score_file(model, path, out, header=True) == 1


def test_a_dialect_that_is_none_is_refused(predictor):
    with pytest.raises(InputError, match=r"a dialect has the fields .*; got 'sep'"):
        TableScorer(predictor, dialect={"sep": ";"})
