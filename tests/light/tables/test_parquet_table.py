import pytest

from light.tables.reading import NAMES, PLAIN, rows_of
from serve_runtime import InputError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from serve_runtime.tables.parquet_table import row_group_sizes  # noqa: E402
from serve_runtime.tables.read import Selection, open_table, read_batches  # noqa: E402


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


LEVELS = ["b", None, "", "b", "ä"]
TEXT_KINDS = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    *(pa.dictionary(index, pa.string()) for index in (pa.int8(), pa.uint16(), pa.int64())),
    pa.dictionary(pa.int32(), pa.large_string()),
]


@pytest.mark.parametrize("kind", TEXT_KINDS, ids=str)
def test_a_column_of_texts_comes_as_a_dictionary(tmp_path, kind):
    path = tmp_path / "t.parquet"
    texts = pa.array(LEVELS).cast(kind) if "dict" not in str(kind) else None
    if texts is None:
        codes = pa.array([0, None, 1, 0, 2], kind.index_type)
        texts = pa.DictionaryArray.from_arrays(codes, pa.array(["b", "", "ä"], kind.value_type))
    pq.write_table(pa.table({"t": texts, "x1": [1, 2, 3, 4, 5]}), path, row_group_size=2)
    with open_table(str(path)) as table:
        own = table.types["t"]
        assert own == kind or pa.types.is_dictionary(kind)
        pairs = list(table.batches(Selection(["x1", "t"], ["t", "x1"], pa.float32(), texts=["t"])))
    features = pa.Table.from_batches([batch for batch, _ in pairs])
    assert pa.types.is_dictionary(features.schema.field("t").type)
    assert features.schema.field("x1").type == pa.float32()
    assert features.column("t").to_pylist() == LEVELS
    for _, kept in pairs:
        assert kept.schema.field("t").type == own
    assert [value for _, kept in pairs for value in kept.column("t").to_pylist()] == LEVELS


@pytest.mark.parametrize(
    "values",
    [
        pa.array([3, None], pa.int16()),
        pa.array([True, None]),
        pa.array(["1.50"]).cast(pa.decimal128(5, 2)),
    ],
    ids=lambda values: str(values.type),
)
def test_a_category_of_numbers_keeps_its_type(tmp_path, values):
    pq.write_table(pa.table({"c": values}), tmp_path / "t.parquet")
    (batch,) = read_batches(str(tmp_path / "t.parquet"), ["c"], texts=["c"])
    assert batch.column("c").equals(values)


def test_precise_columns_are_float64(tmp_path):
    path = str(tmp_path / "t.parquet")
    pq.write_table(pa.table({"when": [1700000001, None], "x1": [1, 2]}), path)
    with open_table(path) as table:
        ((batch, _),) = table.batches(Selection(["when", "x1"], [], precise=["when"]))
    assert batch.schema.types == [pa.float64(), pa.int64()]
    assert batch.column("when").to_pylist() == [1700000001, None]


def test_a_precise_column_of_float32_is_refused(tmp_path):
    path = str(tmp_path / "t.parquet")
    for value, fits in ((7.0, True), (None, True), (1.5, False)):
        pq.write_table(pa.table({"when": pa.array([value], pa.float32())}), path)
        with open_table(path) as table:
            batches = table.batches(Selection(["when"], [], precise=["when"]))
            if fits:
                assert next(batches)[0].column("when").to_pylist() == [value]
                continue
            with pytest.raises(InputError, match=r"t\.parquet: feature 'when' needs float64"):
                next(batches)


def test_texts_are_refused_where_numbers_are_wanted(tmp_path):
    path = str(tmp_path / "t.parquet")
    pq.write_table(pa.table({"t": ["a"], "u": ["b"]}), path)
    with pytest.raises(InputError, match=r"must be numbers; these columns are not: 'u' \(string"):
        list(read_batches(path, ["t", "u"], texts=["t"]))
