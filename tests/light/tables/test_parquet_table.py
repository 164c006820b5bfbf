import pytest

from light.tables.reading import NAMES, PLAIN, rows_of
from serve_runtime import InputError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from serve_runtime.tables.parquet_table import row_group_sizes  # noqa: E402
from serve_runtime.tables.read import open_table, read_batches  # noqa: E402


def test_row_groups_are_counted_from_the_footer(tmp_path):
    pq.write_table(pa.table({"x1": list(range(7))}), tmp_path / "t.parquet", row_group_size=3)
    assert row_group_sizes(str(tmp_path / "t.parquet")) == [3, 3, 1]
    (tmp_path / "t.parquet").write_text(PLAIN)
    with pytest.raises(InputError, match=r"cannot read .*t.parquet: "):
        row_group_sizes(str(tmp_path / "t.parquet"))


def test_only_the_row_groups_asked_for_are_read(tmp_path):
    pq.write_table(pa.table({"x1": list(range(7))}), tmp_path / "t.parquet", row_group_size=3)
    batches = read_batches(str(tmp_path / "t.parquet"), ["x1"], groups=[0, 2])
    assert [row["x1"] for row in rows_of(batches, ["x1"])] == [0, 1, 2, 6]


def test_numbers_and_truths_of_parquet_become_float32(tmp_path):
    types = [pa.int8(), pa.int64(), pa.uint32(), pa.float64(), pa.bool_()]
    types += [pa.decimal128(5, 2)]
    path = tmp_path / "t.parquet"
    for kind in types:
        zero_one = pa.array([0, 1, None], pa.int8()).cast(pa.float32()).cast(kind)
        pq.write_table(pa.table({"id": ["a", "b", "c"], "x1": zero_one}), path)
        rows = rows_of(read_batches(str(path), ["x1"], ["id"]), ["x1"])
        assert [row["x1"] for row in rows] == [0, 1, None]
        assert [row["id"] for row in rows] == ["a", "b", "c"]


def test_parquet_without_rows_is_one_empty_batch(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x1": pa.array([], pa.int64()), "x2": pa.array([], pa.bool_())}), path)
    (batch,) = read_batches(str(path), NAMES)
    assert (batch.num_rows, batch.schema.types) == (0, [pa.float32()] * 2)


def test_parquet_knows_its_rows_before_they_are_read(tmp_path):
    pq.write_table(pa.table({"x1": [1, 2, 3]}), tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text(PLAIN)
    for name, rows in (("t.parquet", 3), ("t.csv", None)):
        with open_table(str(tmp_path / name)) as source:
            assert source.rows == rows


def test_parquet_that_is_none_is_refused(read_rows, tmp_path):
    for content in (PLAIN.encode(), b"PAR1" * 10):
        with pytest.raises(InputError, match=r"cannot read .*t.parquet: "):
            read_rows(content, name="t.parquet")
    pq.write_table(pa.table({"x1": ["a"], "x2": [1]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"must be numbers; .* not: 'x1' \(string\)"):
        list(read_batches(str(tmp_path / "t.parquet"), NAMES))
    twice = pa.table([[1], [2], [3]], names=["x1", "x2", "x2"])
    pq.write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(InputError, match="more than one is named 'x2'"):
        list(read_batches(str(tmp_path / "t.parquet"), NAMES))


def zigzag(number):
    """A positive number in the integers of a Parquet footer (Thrift's compact protocol)."""
    number, encoded = 2 * number, []
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


@pytest.mark.parametrize(
    ("rows", "said"),  # rows of a row group; what the file, or its groups, say and said before
    [(2000, (2000, 3000)), (1000, (2000, 3000)), (1000, (1000, 1500))],
)
def test_fewer_rows_than_the_footer_promises_are_an_error(tmp_path, said, rows):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x1": [0.5] * 2000}), path, row_group_size=rows)
    content = path.read_bytes()
    size = int.from_bytes(content[-8:-4], "little")
    body, footer = content[: -8 - size], content[-8 - size : -8]
    more, less = map(zigzag, reversed(said))
    assert less in footer
    footer = footer.replace(less, more)
    path.write_bytes(body + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(InputError, match=r"t\.parquet: its footer promises 3,000 rows, 2,000 came"):
        rows_of(read_batches(str(path), ["x1"]), ["x1"])
