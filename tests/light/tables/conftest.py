import pytest

from light.tables.reading import NAMES, rows_of


@pytest.fixture
def read_rows(tmp_path):
    """Write a file, read it as a table, and return its rows as dicts."""
    pytest.importorskip("pyarrow")
    from serve_runtime.tables.read import read_batches

    def read(content, features=NAMES, others=(), *, name="t.csv", header=True):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return rows_of(read_batches(str(path), features, others, header=header), features)

    return read
