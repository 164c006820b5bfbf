"""Formats of tables, told by a file's name."""

import os

STDIO = "-"


def is_gzip(path: str | os.PathLike[str]) -> bool:
    """Whether the name says gzip."""
    return os.fspath(path).lower().endswith(".gz")


ENDINGS = (".csv.gz", ".csv", ".parquet", ".pq")


def ending(path: str | os.PathLike[str]) -> str | None:
    """The ending among ENDINGS that a name has, None where it has none of them."""
    lower = os.fspath(path).lower()
    return next((known for known in ENDINGS if lower.endswith(known)), None)


def is_parquet(path: str | os.PathLike[str]) -> bool:
    """Whether the name says Parquet; everything else is CSV, gzipped where it ends in .gz."""
    return os.fspath(path).lower().endswith((".parquet", ".pq"))
