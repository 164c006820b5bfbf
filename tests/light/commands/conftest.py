import pytest

from light.commands.running import TABLE


@pytest.fixture
def table(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "in.csv"
    path.write_text(TABLE)
    return path
