"""The formats of tables, recognised by a file's name."""

import os

STDIO = "-"
"""The name that stands for standard input, and for standard output."""

ENDINGS = (".csv.gz", ".csv", ".parquet", ".pq")
"""Endings of the files that count as tables in a folder."""


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
