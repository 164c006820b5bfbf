"""The formats of tables, recognised by a file's name and by its first bytes."""

import os
from pathlib import Path

STDIO = "-"
"""The name that stands for standard input, and for standard output."""

ENDINGS = (".csv.gz", ".csv", ".parquet", ".pq")
"""Endings of the files that count as tables in a folder."""

FIRST_BYTES = 16
"""So many of a file's first bytes tell what it is."""

_PARQUET = b"PAR1"

_OTHERS = {
    b"PAR1\x15": "Parquet, which is read from a file, not from a pipe",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook: unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: save the sheet as CSV",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: unpack it, or compress it with gzip",
    b"\xfd7zXZ": "compressed by xz: unpack it, or compress it with gzip",
    b"\x04\x22\x4d\x18": "compressed by lz4: unpack it, or compress it with gzip",
    b"ARROW1\0": "Arrow's own format (Feather): write it as Parquet",
    b"SQLite format 3\0": "an SQLite database: write the table as CSV or Parquet",
    b"Obj\x01": "Avro: write it as CSV or Parquet",
    b"%PDF-": "a PDF: write the table as CSV",
}
"""First bytes of files that are no CSV, and what to do with them. None of them begins a CSV."""

_BYTE_ORDER_MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


def ending(path: str | os.PathLike[str]) -> str | None:
    """The one of ENDINGS that the name has, in lower case; None if it has none of them."""
    name = os.fspath(path).lower()
    return next((known for known in ENDINGS if name.endswith(known)), None)


def is_gzip(path: str | os.PathLike[str]) -> bool:
    """Whether the name ends in .gz."""
    return os.fspath(path).lower().endswith(".gz")


def is_parquet(path: str | os.PathLike[str]) -> bool:
    """Whether the name is that of a Parquet file. Every other name is taken for a CSV."""
    return os.fspath(path).lower().endswith((".parquet", ".pq"))


def holds_parquet(path: str) -> bool:
    """Whether a table is read as Parquet: by its name, or because it begins and ends as Parquet
    does, whatever its name."""
    if is_parquet(path):
        return True
    if path == STDIO or not Path(path).is_file():
        return False
    with Path(path).open("rb") as file:
        if file.read(4) != _PARQUET:
            return False
        file.seek(-4, os.SEEK_END)
        return file.read(4) == _PARQUET


def other_format(start: bytes) -> str | None:
    """What a file with these FIRST_BYTES is, and what to do, where it is plainly no CSV."""
    if start.startswith(b"BZh") and start[4:10] == b"1AY&SY":
        return "compressed by bzip2: unpack it, or compress it with gzip"
    return next((words for magic, words in _OTHERS.items() if start.startswith(magic)), None)


def encoding(start: bytes) -> str | None:
    """The encoding that a byte order mark tells, "utf-16" or "utf-32"; None for UTF-8."""
    return next((name for mark, name in _BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)
