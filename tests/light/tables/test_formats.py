from pathlib import Path

from serve_runtime.tables.formats import ending, is_gzip, is_parquet


def test_the_name_tells_parquet_from_csv():
    assert all(map(is_parquet, ["a.parquet", Path("a.PQ"), "b.csv.parquet"]))
    assert not any(map(is_parquet, ["a.csv", "parquet", "a.parquet.csv", "-"]))


def test_the_ending_is_the_longest_that_is_known():
    names = ["a.csv", "a.csv.gz", "A.PQ", "a.b.Parquet", "a.gz", "a", "a.csv.txt", "csv"]
    known = [".csv", ".csv.gz", ".pq", ".parquet", None, None, None, None]
    assert [ending(name) for name in names] == known


def test_the_name_tells_gzip():
    assert all(map(is_gzip, ["a.csv.gz", Path("A.CSV.GZ")]))
    assert not any(map(is_gzip, ["a.csv", "gz", "a.gz.csv", "-"]))
