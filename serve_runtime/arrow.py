"""Arrow, or an error that says how to install it; the modules that need it take it from here."""

from serve_runtime.errors import MissingDependencyError

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq
except ImportError:
    raise MissingDependencyError(
        "reading and writing files needs pyarrow: pip install 'serve-runtime[files]'"
    ) from None

__all__ = ["pa", "pacsv", "pc", "pq"]
