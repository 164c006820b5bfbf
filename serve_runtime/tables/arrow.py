"""Import pyarrow once for all modules that need it, or say how to install it.

Importing this module raises MissingDependencyError if pyarrow is not installed.
"""

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
    """A record batch with the columns of `schema` and no rows."""
    columns = [pa.nulls(0, data_type) for data_type in schema.types]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
