"""Arrow, or an error that says how to install it; the modules that need it take it from here."""

from typing import Any

from serve_runtime.errors import MissingDependencyError

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq
except ImportError:
    raise MissingDependencyError(
        "files and Arrow batches need pyarrow, the extra [files] of serve-runtime: "
        "pip install pyarrow"
    ) from None

__all__ = ["no_rows", "pa", "pacsv", "pc", "pq"]


def no_rows(schema: Any) -> Any:
    """A record batch of this schema, without rows."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)
