import gzip
import io
from pathlib import Path

import numpy as np
import pytest

from light.helpers import TABLE, TINY, assert_same_bits, column, run_python
from serve_runtime import InputError, OutputError
from serve_runtime.errors import NonFiniteError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from serve_runtime import score_file  # noqa: E402

ROWS = np.array([[1, 2], [3.5, 1], [6, 3]], np.float32)
MANY = 300_000  # rows in more blocks of CSV and more batches of Parquet than one


@pytest.fixture
def many(tmp_path):
    """Write a long CSV: an id that turns from numbers to text, x1 from 0 to 4, x2 1."""

    def write(last="", *, ids=str):
        path = tmp_path / "many.csv"
        lines = [f"{ids(i)},{i % 5},1\n" for i in range(MANY)]
        path.write_text("id,x1,x2\n\n" + "".join(lines) + last)
        assert path.stat().st_size > 2_000_000
        return path

    return write


def written(path):
    return np.array(column("probability", path), np.float32)


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_the_output_holds_the_scores_in_the_order_of_the_rows(score, predictor):
    path, rows = score(TABLE)
    assert path.read_text().splitlines()[0] == '"probability","label"'
    assert rows == 3
    assert_same_bits(written(path), predictor.probability({"x1": ROWS[:, 0], "x2": ROWS[:, 1]}))
    assert column("label", path) == [str(label) for label in predictor.predict(ROWS)]


def test_csv_and_parquet_lead_to_the_same_scores(score, predictor, tmp_path):
    csv, _ = score(TABLE, keep=["id"])
    score(TABLE, "out.parquet", keep=["id"])
    source = parquet(tmp_path / "in.parquet", id=["00123", "NA", ""], x2=[2, 1, 3], x1=ROWS[:, 0])
    for name in ("from_parquet.csv", "from_parquet.parquet"):
        score_file(predictor, str(source), str(tmp_path / name), keep=["id"])
    assert (tmp_path / "from_parquet.csv").read_text() == csv.read_text()
    tables = [pq.read_table(tmp_path / name) for name in ("out.parquet", "from_parquet.parquet")]
    assert tables[0].equals(tables[1])
    assert tables[0].schema.types == [pa.string(), pa.float32(), pa.int64()]
    assert_same_bits(tables[0]["probability"].to_numpy(), written(csv))


@pytest.mark.parametrize("output", ["out.csv", "out.parquet"])
def test_a_table_without_rows_gives_an_output_without_rows(score, output):
    path, rows = score("id,x1,x2\n", output, keep=["id"])
    assert rows == 0
    if output == "out.csv":
        assert path.read_text() == '"id","probability","label"\n'
    else:
        table = pq.read_table(path)
        assert (table.num_rows, table.schema.names) == (0, ["id", "probability", "label"])


def test_kept_columns_come_first_and_keep_their_text(score):
    ids = ["00123", "NA", "", "1e3", "1.50", 'a "b"', "c,d", "e\nf", "ä", " g "]
    quoted = ['"' + text.replace('"', '""') + '"' for text in ids]
    content = "z,id,x1,x2\n" + "".join(f"{i},{text},1,2\n" for i, text in enumerate(quoted))
    path, _ = score(content, keep=["id", "z"])
    assert column("id", path) == ids
    assert column("z", path) == [str(i) for i in range(len(ids))]
    assert path.read_text(encoding="utf-8").startswith('"id","z","probability","label"\n')


def test_a_kept_feature_keeps_its_text_too(score):
    path, _ = score("x1,x2\n1.50,16777217\n2,0.1\n", keep=["x2", "x1"])
    assert column("x1", path) == ["1.50", "2"]
    assert column("x2", path) == ["16777217", "0.1"]


def test_a_kept_feature_keeps_its_type_and_digits_from_parquet(predictor, tmp_path):
    source = parquet(tmp_path / "in.parquet", x1=[0.1, 2.0**24 + 1], x2=[3, 4])
    score_file(predictor, source, tmp_path / "out.parquet", keep=["x1", "x2"])
    kept = pq.read_table(tmp_path / "out.parquet", columns=["x1", "x2"])
    assert kept.equals(pq.read_table(source))


def test_ids_that_turn_from_numbers_to_text_are_kept(score, predictor, many, tmp_path):
    source = many(ids=lambda i: f"{i:07d}" if i < MANY // 2 else f"a{i}")
    path = tmp_path / "out.csv"
    assert score_file(predictor, source, path, keep=["id"]) == MANY
    ids = column("id", path)
    assert (ids[0], ids[MANY // 2 - 1], ids[-1]) == ("0000000", "0149999", f"a{MANY - 1}")
    assert_same_bits(written(path)[:5], written(path)[-5:])


@pytest.mark.parametrize(
    ("content", "row", "feature", "shown"),
    [
        ("x1,x2\n1,2\n\n3,\n", 1, "x2", r"missing \(NaN\)"),
        ("x2,x1\n1,NA\n", 0, "x1", r"missing \(NaN\)"),
        ("x1,x2\n1,2\n1e39,2\n", 1, "x1", "inf as float32"),
        ("x1,x2\n1,-inf\n", 0, "x2", "-inf as float32"),
    ],
)
def test_a_bad_value_is_named_by_file_row_and_feature(score, content, row, feature, shown):
    message = rf"in.csv: data row {row + 1}, feature '{feature}' is {shown}"
    with pytest.raises(NonFiniteError, match=message) as caught:
        score(content)
    assert (caught.value.row, caught.value.feature) == (row, feature)


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ("a,,1\n", f"many.csv: data row {MANY + 1}, feature 'x1' is missing"),
        ("a,3e38,-3e38\n", f"many.csv: data row {MANY + 1} "),
        ("a,b,1\n", r"columns are not: 'x1' \('b' is no number\)"),
        ("a,1\n", f"many.csv, line {MANY + 3}: expected 3 values, got 2"),
    ],
)
def test_an_error_far_down_names_its_row_and_leaves_nothing(
    predictor, many, tmp_path, last, message
):
    source, path = many(last), tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(InputError, match=message):
        score_file(predictor, source, path)
    assert path.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["many.csv", "out.csv"]


def test_a_bad_value_far_down_in_parquet_has_the_right_row(predictor, tmp_path):
    x1 = np.ones(MANY)
    x1[-2] = np.nan
    source = parquet(tmp_path / "in.parquet", x1=x1, x2=x1 * 0)
    with pytest.raises(NonFiniteError, match=f"data row {MANY - 1}, feature 'x1'"):
        score_file(predictor, source, tmp_path / "out.parquet")
    assert [p.name for p in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (["label"], "cannot keep 'label': the scores are written under that name"),
        (["probability", "label"], "cannot keep 'probability', 'label': the scores"),
        (["id", "id"], "columns to keep must be named once; got 'id', 'id'"),
        (["no"], r"in.csv: .*missing: 'no' \(got: 'id', 'x1', 'x2'\)"),
    ],
)
def test_columns_that_cannot_be_kept_are_refused(score, tmp_path, keep, message):
    with pytest.raises(InputError, match=message):
        score(TABLE, keep=keep)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("name", ["in.csv", "in.csv.gz"])
def test_a_quotation_that_is_never_closed_swallows_no_rows(predictor, tmp_path, name):
    content = "x1,x2,id\n1,2,a\n" + '3,4,"b, ""c""\nd"\n' * 40 + '5,6,"e\n' + "7,8,f\n" * 20_000
    open_file = gzip.open if name.endswith("gz") else open
    for text, line in ((content, 83), (content[:2000], 83)):
        with open_file(tmp_path / name, "wt") as file:
            file.write(text)
        with pytest.raises(InputError, match=f"in.csv.*line {line}: a quotation mark opens"):
            score_file(predictor, tmp_path / name, tmp_path / "out.csv")
    with open_file(tmp_path / name, "wt") as file:
        file.write('id,x1,x2\n3.5" disk,1,2\nother,3,4\n')
    assert score_file(predictor, tmp_path / name, tmp_path / "out.csv", keep=["id"]) == 2


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ('1,2,a\n1,2,"b\n1,2,c\n1,2,"d\n1,2,e\n', 3),
        ('1,2,a\n1,2,"6\\" x"\n1,2,"7\\""\n1,2,b\n1,2,"c"\n', 4),
        ("1,2,a\n" * 400_000 + '1,2,"b\n' * 2, 400_002),
        ("1,2,a\n" * 10 + '1,2,"b\n1,2,c\n', 12),
    ],
    ids=["closed inside", "backslashes", "late", "never closed"],
)
def test_a_quotation_mark_that_is_forgotten_loses_no_row(
    predictor, tmp_path, monkeypatch, rows, line, piped
):
    content = f"x1,x2,id\n{rows}".encode()
    (tmp_path / "in.csv").write_bytes(content)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    source = "-" if piped else tmp_path / "in.csv"
    with pytest.raises(InputError, match=f", line {line}: a quotation mark opens a value"):
        score_file(predictor, source, tmp_path / "out.csv", keep=["id"])
    assert not (tmp_path / "out.csv").exists()


def test_a_value_of_another_column_may_be_long(predictor, tmp_path):
    (tmp_path / "in.csv").write_text(
        "id,x1,x2\n" + "a,1,2\n" * 200_000 + "b" * 9_000_000 + ",1,2\n"
    )
    assert score_file(predictor, tmp_path / "in.csv", tmp_path / "out.csv") == 200_001


def test_a_kept_column_named_twice_is_refused(score):
    with pytest.raises(InputError, match="more than one is named 'id'"):
        score("id,id,x1,x2\n1,2,3,4\n", keep=["id"])


@pytest.mark.parametrize("kept", [[[1], [2]], [{"a": 1}] * 2, [b"\xff", b"a"]])
def test_a_kept_column_that_csv_cannot_hold_is_an_error_of_ours(predictor, tmp_path, kept):
    source = parquet(tmp_path / "in.parquet", id=kept, x1=[1, 2], x2=[3, 4])
    with pytest.raises((InputError, OutputError), match=r"cannot (write|keep)"):
        score_file(predictor, source, tmp_path / "out.csv", keep=["id"])
    assert [p.name for p in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_scoring_files_never_asks_for_pandas(tmp_path, name):
    (tmp_path / "in.csv").write_text(TABLE)
    parquet(tmp_path / "in.parquet", id=["a", "b"], x1=[1, 6], x2=[2.0, 3.0])
    code = (
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        assert name.partition('.')[0] != 'pandas' or print('asked for', name)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from serve_runtime import Predictor, score_file\n"
        "for output in ('out.csv', 'out.parquet'):\n"
        "    print(score_file(Predictor(sys.argv[1]), sys.argv[2], output, keep=['id']))\n"
    )
    result = run_python("-c", code, TINY, name, cwd=tmp_path)
    rows = "3\n3\n" if name == "in.csv" else "2\n2\n"
    assert (result.stdout, result.stderr) == (rows, "")


def test_the_input_is_never_the_output(score, predictor, tmp_path):
    with pytest.raises(OutputError, match=r"in.csv is the input itself: write to another file"):
        score(TABLE, "in.csv")
    (tmp_path / "link.csv").symlink_to("in.csv")
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "in.csv")
    for name in ("link.csv", "hard.csv", "../" + tmp_path.name + "/in.csv"):
        with pytest.raises(OutputError, match="is the input itself"):
            score_file(predictor, tmp_path / "in.csv", tmp_path / name)
    assert (tmp_path / "in.csv").read_text() == TABLE


@pytest.mark.parametrize("names_given", [("", "out.csv"), ("in.csv", "")])
def test_an_empty_name_is_refused(predictor, tmp_path, monkeypatch, names_given):
    """It would be the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text(TABLE)
    with pytest.raises(InputError, match=r"the (input|output) has no name"):
        score_file(predictor, *names_given)
    assert names(tmp_path) == ["in.csv"]


@pytest.mark.parametrize("output", ["out", "out.txt", "out.parquet.gz"])
def test_an_output_of_an_unknown_ending_names_the_endings(score, tmp_path, output):
    with pytest.raises(OutputError, match=rf"{output} must end in .csv, .csv.gz, .parquet, .pq"):
        score(TABLE, output)
    assert names(tmp_path) == ["in.csv"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is not told here")
@pytest.mark.parametrize("group_rows", [1 << 20, 4_000_000], ids=["row groups", "one row group"])
def test_memory_does_not_grow_with_the_rows(tmp_path, group_rows):
    peaks = []
    for rows in (200_000, 4_000_000):
        source = tmp_path / f"{rows}.parquet"
        values = pa.array(np.linspace(-1, 1, rows))
        pq.write_table(pa.table({"x1": values, "x2": values}), source, row_group_size=group_rows)
        code = (
            "import sys\n"
            "from serve_runtime import Predictor, score_file\n"
            "score_file(Predictor(sys.argv[1]), sys.argv[2], sys.argv[3])\n"
            "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
        )
        # How far reading runs ahead is up to the scheduler of a busy machine: the least of three.
        runs = [run_python("-c", code, TINY, source, tmp_path / "out.parquet", cwd=tmp_path)
                for _ in range(3)]  # fmt: skip
        peaks.append(min(int(run.stdout) for run in runs))
    # 3.8 million rows more are 61 MB of features in the file and 91 MB in memory.
    assert peaks[1] - peaks[0] < 30_000, peaks


def names(folder):
    return sorted(path.name for path in folder.iterdir())
