"""Many tables into one file, or into a folder of parts that can be resumed."""

import gzip
import io
import json
import os
import sys
from dataclasses import replace

import numpy as np
import pytest

from light.helpers import column, write_model
from serve_runtime import InputError, OutputError, Predictor
from serve_runtime.bundle.sealed_json import seal

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from serve_runtime import score_file  # noqa: E402
from serve_runtime.scoring.score_folder import RECORD  # noqa: E402
from serve_runtime.scoring.table_scorer import Progress  # noqa: E402

GOOD = "id,x1,x2\n{0}1,1,2\n{0}2,6,3\n"
PARTS = ["a.csv", "b.parquet", "sub/c.csv.gz"]


@pytest.fixture
def folder(predictor, tmp_path):
    """`data` with a CSV, a Parquet and a gzipped CSV of two rows each, and things to skip."""
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    (data / "a.csv").write_text(GOOD.format("a"))
    (data / "notes.txt").write_text("no table")
    (data / "_skipped.csv").write_text("no table")
    pq.write_table(pa.table({"id": ["b1", "b2"], "x1": [1, 6], "x2": [2, 3]}), data / "b.parquet")
    (data / "sub" / "c.csv.gz").write_bytes(gzip.compress(GOOD.format("c").encode()))
    return data


@pytest.fixture
def run(predictor, folder, tmp_path):
    """Score the folder into `out`, or what the options say."""

    def score(destination="out", *, model=predictor, source=folder, keep=("id",), **options):
        return score_file(model, source, tmp_path / destination, keep=keep, **options)

    return score


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def states(folder):
    return {name: (folder / name).stat().st_ino for name in files(folder) if name != RECORD}


def test_many_tables_go_into_one_file_in_order(run, tmp_path):
    assert run("out.csv") == 6
    assert column("id", tmp_path / "out.csv") == ["a1", "a2", "b1", "b2", "c1", "c2"]
    assert run("out.parquet", source=tmp_path / "data" / "**" / "*.*") == 6
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["id"].to_pylist() == column("id", tmp_path / "out.csv")
    assert table["label"].to_pylist() == [0, 1] * 3


def test_a_folder_takes_a_part_for_each_table_under_its_name(run, tmp_path):
    assert run() == 6
    out = tmp_path / "out"
    assert files(out) == sorted([RECORD, *PARTS])
    assert column("id", out / "a.csv") == ["a1", "a2"]
    assert pq.read_table(out / "b.parquet")["id"].to_pylist() == ["b1", "b2"]
    assert (out / "sub" / "c.csv.gz").read_bytes()[:2] == b"\x1f\x8b"


def test_the_parts_have_the_ending_that_is_asked_for(run, tmp_path):
    run(parts=".parquet")
    out = tmp_path / "out"
    assert files(out) == sorted([RECORD, "a.parquet", "b.parquet", "sub/c.parquet"])
    assert pq.read_table(out).num_rows == 6  # engines skip the record


@pytest.mark.parametrize("destination", ["new/", "there", "out.parquet"])
def test_one_table_goes_into_what_is_a_folder(predictor, folder, tmp_path, destination):
    if not destination.endswith("/"):
        (tmp_path / destination).mkdir()
    score_file(predictor, folder / "a.csv", f"{tmp_path}/{destination}")
    assert files(tmp_path / destination) == sorted([RECORD, "a.csv"])


def test_progress_tells_the_tables_done(run, tmp_path):
    seen = []
    run(progress=seen.append)
    assert [progress.tables for progress in seen] == [0, 1, 1, 2, 2, 3]
    assert seen[-1] == Progress(rows=6, all_rows=None, tables=3, all_tables=3)
    seen.clear()
    run("p", source=tmp_path / "data" / "*.parquet", progress=seen.append)
    assert seen[-1] == Progress(rows=2, all_rows=2, tables=1, all_tables=1)


def test_a_folder_that_holds_something_needs_resume(run, tmp_path):
    run()
    with pytest.raises(OutputError, match=r"out is not empty: go on with --resume, or choose"):
        run()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").touch()
    with pytest.raises(OutputError, match=f"mine has no {RECORD} to resume from"):
        run("mine", resume=True)
    assert files(tmp_path / "mine") == ["precious"]


def break_table(folder):
    (folder / "b.parquet").rename(folder.parent / "kept")
    (folder / "b.csv").write_text("id,x1,x2\nb1,1,2\nb2,,3\n")


def mend_table(folder):
    (folder / "b.csv").unlink()
    (folder.parent / "kept").rename(folder / "b.parquet")


def test_a_job_that_failed_goes_on_after_its_last_part(run, folder, tmp_path):
    break_table(folder)
    with pytest.raises(InputError, match=r"b.csv: data row 2, feature 'x1' is missing") as caught:
        run()
    assert caught.value.__notes__ == [
        f"{tmp_path / 'out'} keeps the files that are finished: go on with --resume"
    ]
    assert files(tmp_path / "out") == sorted([RECORD, "a.csv"])
    before = states(tmp_path / "out")
    mend_table(folder)
    assert run(resume=True) == 4
    after = states(tmp_path / "out")
    assert sorted(after) == PARTS
    assert after["a.csv"] == before["a.csv"]
    assert run(resume=True) == 0
    assert states(tmp_path / "out") == after


def test_a_job_that_failed_at_once_leaves_nothing(run, folder, tmp_path):
    (folder / "a.csv").write_text("id,x1\n1,2\n")
    with pytest.raises(InputError, match=r"a.csv: .*missing: 'x2'"):
        run("new/out")
    assert not (tmp_path / "new" / "out").exists()
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=r"a.csv: .*missing: 'x2'"):
        run("out")
    assert files(tmp_path / "out") == []


@pytest.mark.parametrize("change", ["table", "time", "part", "gone"])
def test_what_changed_since_is_made_again(run, folder, tmp_path, change):
    run()
    before = states(tmp_path / "out")
    table, part = folder / "a.csv", tmp_path / "out" / "a.csv"
    if change == "table":
        table.write_text(GOOD.format("new"))
    elif change == "time":
        os.utime(table, ns=(1, 1))
    elif change == "part":
        part.write_text("half")
    else:
        part.unlink()
    assert run(resume=True) == 2
    assert column("id", part) == (["new1", "new2"] if change == "table" else ["a1", "a2"])
    after = states(tmp_path / "out")
    assert [name for name in PARTS[1:] if after[name] != before[name]] == []


def test_tables_that_came_since_are_added(run, folder, tmp_path):
    run()
    (folder / "late.csv").write_text(GOOD.format("late"))
    assert run(resume=True) == 2
    assert column("id", tmp_path / "out" / "late.csv") == ["late1", "late2"]


def test_parts_of_another_job_are_refused(run, card, folder, tmp_path):
    run()
    before = states(tmp_path / "out")
    path = write_model(tmp_path / "model.onnx", replace(card, threshold=0.25))
    with pytest.raises(OutputError, match=r"other settings \(model: '.*', now '.*'\): score"):
        run(model=Predictor(path), resume=True)
    with pytest.raises(OutputError, match=r"other settings \(kept columns: \['id'\], now \[\]\)"):
        run(keep=[], resume=True)
    with pytest.raises(OutputError, match=r"other settings \(format: None, now '.csv'\)"):
        run(parts=".csv", resume=True)
    (folder / "a.csv").unlink()
    with pytest.raises(
        OutputError, match=r"scores of tables that are no longer among .*: 'a.csv': "
    ):
        run(resume=True)
    assert states(tmp_path / "out") == before


def test_a_record_that_was_changed_is_refused(run, tmp_path):
    run()
    record = tmp_path / "out" / RECORD
    document = json.loads(record.read_text())
    assert document["parts"]["a.csv"]["rows"] == 2
    record.write_text(record.read_text().replace('"rows":2', '"rows":3'))
    with pytest.raises(OutputError, match="was altered since it was written"):
        run(resume=True)
    record.write_text(seal({**document, "format_version": 99}))
    with pytest.raises(OutputError, match="has format version 99, this installation reads"):
        run(resume=True)


@pytest.mark.parametrize("destination", ["out.csv", "out.parquet", "out"])
def test_a_kept_column_of_another_type_is_named_with_its_file(predictor, tmp_path, destination):
    (tmp_path / "data").mkdir()
    for name, ids in (("a", [1, 2]), ("b", [3, 4]), ("c", ["5", "6"])):
        columns = {"id": ids, "x1": [1, 6], "x2": [2, 3]}
        pq.write_table(pa.table(columns), tmp_path / "data" / f"{name}.parquet")
    message = r"c.parquet: column 'id' is string, and was int64 before"
    with pytest.raises(InputError, match=message):
        score_file(predictor, tmp_path / "data", tmp_path / destination, keep=["id"])
    if destination == "out":  # the types of earlier parts are remembered
        with pytest.raises(InputError, match=message):
            score_file(predictor, tmp_path / "data", tmp_path / "out", keep=["id"], resume=True)
    else:
        assert not (tmp_path / destination).exists()


@pytest.mark.parametrize("destination", ["out.csv", "out"])
def test_a_table_without_a_needed_column_is_named(run, folder, tmp_path, destination):
    (folder / "b.csv").write_text("id,x1\n1,2\n")
    with pytest.raises(InputError, match=r"b.csv: .*missing: 'x2' \(got: 'id', 'x1'\)"):
        run(destination)
    assert not (tmp_path / "out.csv").exists()


def test_tables_whose_parts_would_have_one_name_are_refused(run, folder, tmp_path):
    (folder / "a.parquet").write_bytes((folder / "b.parquet").read_bytes())
    with pytest.raises(OutputError, match=r"a.csv and a.parquet would both become a.csv: rename"):
        run(parts=".csv")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("destination", ["data", "data/out", "data/out.csv", "data/sub/c.csv.gz"])
def test_the_output_is_never_among_the_input(run, folder, destination):
    before = files(folder)
    with pytest.raises(OutputError, match=r"is inside of |is the input itself"):
        run(destination)
    assert files(folder) == before


def test_the_output_of_a_glob_may_not_be_among_its_tables(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "data")
    for destination in ("data/out", "data/out.csv"):
        assert run(destination, source="*.csv") == 2
    with pytest.raises(OutputError, match=r"out.csv is the input itself"):
        run("data/out.csv", source="*.csv")
    with pytest.raises(OutputError, match=r"a.csv, an input, is inside of .*out: write elsewhere"):
        run("data/out", source="**/a.csv", resume=True)


@pytest.mark.parametrize(
    ("destination", "options", "message"),
    [
        ("out.csv", {"resume": True}, "out.csv is one file: parts and resume are for a folder"),
        ("out.csv", {"parts": ".csv"}, "out.csv is one file: parts and resume are for a folder"),
        ("out", {"parts": "xlsx"}, r"parts must end in .csv, .csv.gz, .parquet, .pq; got 'xlsx'"),
    ],
)
def test_options_of_a_folder_are_for_folders(run, tmp_path, destination, options, message):
    with pytest.raises(OutputError, match=message):
        run(destination, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_standard_input_has_no_part(predictor, tmp_path):
    with pytest.raises(OutputError, match="standard input has no name for a file in it"):
        score_file(predictor, "-", tmp_path)


def test_a_file_in_the_place_of_the_folder_stays(run, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match=r"cannot write .*out: File exists"):
        run()
    assert (tmp_path / "out").read_text() == "mine"


def test_the_scores_of_a_part_are_those_of_its_table(run, predictor, tmp_path):
    run(parts=".parquet")
    found = pq.read_table(tmp_path / "out" / "b.parquet")["probability"].to_numpy()
    wanted = predictor.probability({"x1": np.array([1, 6]), "x2": np.array([2, 3])})
    assert found.tolist() == wanted.tolist()


def partitioned(folder, values):
    """Two tables of two rows below a folder x2=VALUE/land=a%20b for each of `values`."""
    for value in values:
        below = folder / f"x2={value}" / "land=a%20b"
        below.mkdir(parents=True)
        pq.write_table(pa.table({"x1": [1.0, 2.0], "id": ["a", "b"]}), below / "t.parquet")
        (below / "u.csv").write_text("x1,id\n1,a\n2,b\n")


@pytest.mark.parametrize(
    ("values", "kept"),
    [(["3", "-40"], [-40, 3]), (["0.1", "3"], ["0.1", "3"]), (["%2B4", "07"], ["+4", "07"])],
)
def test_folders_named_key_value_are_columns(predictor, tmp_path, values, kept):
    partitioned(tmp_path / "data", values)
    out = tmp_path / "out.parquet"
    assert score_file(predictor, tmp_path / "data", out, keep=["x2", "land", "id"]) == 8
    found = pq.read_table(out)
    assert found["x2"].to_pylist() == [value for value in kept for _ in range(4)]
    assert found["land"].to_pylist() == ["a b"] * 8
    x2 = np.repeat(np.array(kept, np.float32), 4)
    wanted = predictor.probability({"x1": np.tile([1.0, 2.0], 4), "x2": x2})
    assert found["probability"].to_pylist() == wanted.tolist()
    assert score_file(predictor, tmp_path / "data", tmp_path / "outs", keep=["x2"]) == 8
    assert len(list((tmp_path / "outs").rglob("t.parquet"))) == 2


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("__HIVE_DEFAULT_PARTITION__", "data row 1, feature 'x2' is missing"),
        ("abc", r"'x2' \('abc', from the name of its folder, is no number\)"),
        ("%3F", r"'x2' \('\?', from the name .* seems to mark a missing value"),
    ],
)
def test_a_folder_whose_value_is_no_number_is_named(predictor, tmp_path, value, message):
    partitioned(tmp_path / "data", ["1", value])
    with pytest.raises(InputError, match=message):
        score_file(predictor, tmp_path / "data", tmp_path / "out.csv")


@pytest.mark.parametrize("kind", [pa.int64(), pa.float32(), pa.string()], ids=str)
@pytest.mark.parametrize("own", [3, 4, None])
def test_a_column_beside_its_folder_must_be_equal(predictor, tmp_path, own, kind):
    (tmp_path / "data" / "x2=3").mkdir(parents=True)
    x2 = pa.array([3, own]).cast(kind)
    path = tmp_path / "data" / "x2=3" / "t.parquet"
    pq.write_table(pa.table({"x1": [1.0, 2.0], "x2": x2}), path)
    if own == 3:
        assert score_file(predictor, tmp_path / "data", tmp_path / "out.csv") == 2
        return
    with pytest.raises(
        InputError, match=r"its column 'x2' holds other values than .* 'x2=3': rena"
    ):
        score_file(predictor, tmp_path / "data", tmp_path / "out.csv")


def test_a_model_may_need_nothing_but_folders(predictor, tmp_path):
    (tmp_path / "data" / "x1=3" / "x2=0.5").mkdir(parents=True)
    (tmp_path / "data" / "x1=3" / "x2=0.5" / "t.csv").write_text("id\na\nb\n")
    assert score_file(predictor, tmp_path / "data", tmp_path / "out.csv") == 2


@pytest.mark.parametrize("source", ["in.csv", "-"])
def test_a_first_row_of_numbers_names_no_header(predictor, tmp_path, monkeypatch, source):
    content = "5.1,3.5\n4.9,3\n"
    (tmp_path / "in.csv").write_text(content)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError, match=r"holds nothing but numbers \('5\.1', '3\.5'\).*--no-header"
    ):
        score_file(predictor, source, "out.csv")
