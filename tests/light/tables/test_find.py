import errno
import os
import sys
from pathlib import Path

import pytest

from serve_runtime import InputError

pytest.importorskip("pyarrow")

from serve_runtime.tables.find import TablePaths, find_tables

FILES = [
    "a.csv", "b.CSV.GZ", "c.parquet", "d.pq", "notes.txt", "_part.csv", ".hidden.csv",
    "2024/x.csv", "2024/y/z.parquet", "2025/x.csv", "_old/a.csv", ".git/a.csv", "2025/_logs/a.csv",
]  # fmt: skip
TABLES = ("2024/x.csv", "2024/y/z.parquet", "2025/x.csv", "a.csv", "b.CSV.GZ", "c.parquet", "d.pq")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.mark.parametrize("source", ["data", "data/", "./data", "2024/../data/"])
def test_a_folder_means_all_tables_below_it_in_order(folder, source):
    (folder / "2024").mkdir()
    found = find_tables(source)
    assert (found.names, found.many) == (TABLES, True)
    assert all(Path(found.path(name)).is_file() for name in found.names)


@pytest.mark.parametrize(
    ("pattern", "below", "names"),
    [
        ("data/*.csv", "data", ["a.csv"]),
        ("data/*", "data", ["a.csv", "b.CSV.GZ", "c.parquet", "d.pq"]),
        ("data/**", "data", list(TABLES)),
        ("data/**/*.csv", "data", ["2024/x.csv", "2025/x.csv", "a.csv"]),
        ("data/**/**/*.csv", "data", ["2024/x.csv", "2025/x.csv", "a.csv"]),
        ("data/202[45]/x.csv", "data", ["2024/x.csv", "2025/x.csv"]),
        ("data/2024/?.csv", "data/2024", ["x.csv"]),
        ("d*/a.csv", ".", ["data/a.csv"]),
    ],
)
def test_a_glob_names_tables_from_its_fixed_part(folder, pattern, below, names):
    found = find_tables(pattern)
    assert (list(found.names), found.many) == (names, True)
    assert found.folder.samefile(below)
    absolute = find_tables(str(folder / pattern))
    assert absolute.names == found.names
    assert Path(absolute.path(names[0])).samefile(found.path(names[0]))


def test_linked_folders_are_followed_unless_they_lead_back(folder):
    other = folder / "other"
    other.mkdir()
    (other / "o.csv").touch()
    try:
        (folder / "data" / "linked").symlink_to(other, target_is_directory=True)
        (other / "loop").symlink_to(folder, target_is_directory=True)
        (folder / "data" / "2024" / "up").symlink_to("..", target_is_directory=True)
    except OSError:
        pytest.skip("links need a privilege here")
    names = [*TABLES, "linked/o.csv"]
    assert find_tables("data").names == tuple(sorted(names))


@pytest.mark.skipif(sys.platform == "win32", reason="names cannot hold these characters here")
def test_a_name_that_exists_is_no_glob(folder):
    for name in ("data/a[1].csv", "data/*.pq"):
        (folder / name).touch()
        found = find_tables(name)
        assert (found.names, found.many) == ((name[5:],), False)
    (folder / "data" / "20*").mkdir()
    (folder / "data" / "20*" / "own.csv").touch()
    assert find_tables("data/20*").names == ("own.csv",)


@pytest.mark.parametrize("source", ["-", "data/notes.txt", "none.csv", "data/none"])
def test_a_single_name_is_taken_as_it_is(folder, source):
    found = find_tables(source)
    assert not found.many
    assert [found.path(name) for name in found.names] == [source]


@pytest.mark.parametrize("source", ["data/2025/_logs/*.txt", "data/*.xlsx", "empty", "none/*.csv"])
def test_no_table_is_an_error_that_names_the_endings(folder, source):
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=r": no table is there; .*\.csv, \.csv\.gz, \.parquet"):
        find_tables(source)


def test_a_folder_that_cannot_be_listed_is_not_taken_for_empty(folder, monkeypatch):
    """Root may list every folder: the system's refusal is put in its mouth."""

    def refuse(path):
        if Path(path).name == "2024":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return listed(path)

    listed = os.scandir
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="cannot read data: Permission denied"):
        find_tables("data")


def test_the_types_of_folders_are_found_once_for_all_tables(monkeypatch):
    texts = []
    monkeypatch.setattr("serve_runtime.tables.find._is_whole", lambda t: not texts.append(t))
    tables = TablePaths(Path(), tuple(f"day={i}/t.csv" for i in range(500)), many=True)
    found = [tables.folder_columns(name)["day"].as_py() for name in tables.names]
    assert found == list(range(500))
    assert len(texts) == 500
