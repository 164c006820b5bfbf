import shutil
import signal

import pytest
from hypothesis import settings

from light.commands.running import TABLE
from light.helpers import TINY, tiny_card
from serve_runtime import Predictor
from serve_runtime import predictor as predictor_module

# Both are ignored where a shell has started the tests in the background or under nohup, and what
# the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The same examples on every run: a failure is a change, never luck.
settings.register_profile("light", deadline=None, derandomize=True, database=None)
settings.load_profile("light")


@pytest.fixture(scope="session")
def predictor():
    return Predictor(TINY)


@pytest.fixture(scope="session")
def card():
    return tiny_card()


@pytest.fixture
def limit(monkeypatch):
    """A function that changes the limits of predictors that are made from now on."""

    def change(**numbers):
        limits = predictor_module.LIMITS._replace(**numbers)
        monkeypatch.setattr(predictor_module, "LIMITS", limits)

    return change


@pytest.fixture
def cut_blocks(limit):
    """A function that makes blocks short, so that few rows make many, and occupy many threads."""

    def cut(rows, values, bound=8):
        limit(
            block_rows=rows,
            copied_values=values,
            strided_values=2 * values,
            parallel_values=64,
            adjacent_rows=2,
            bound_rows=bound,
        )

    return cut


@pytest.fixture
def bundle(tmp_path):
    """A copy of the tiny bundle that a test may damage."""
    return shutil.copytree(TINY, tmp_path / "bundle")


@pytest.fixture
def score(predictor, tmp_path):
    """Write an input file, score it, and return the output's path and the number of rows."""
    pytest.importorskip("pyarrow")
    from serve_runtime import score_file

    def run(content, output="out.csv", *, name="in.csv", **options):
        (tmp_path / name).write_text(content, encoding="utf-8")
        return tmp_path / output, score_file(
            predictor, tmp_path / name, tmp_path / output, **options
        )

    return run


@pytest.fixture
def table(request, tmp_path):
    """A CSV file of what the test's module calls TABLE, or of rows that the tiny model takes."""
    pytest.importorskip("pyarrow")
    path = tmp_path / "in.csv"
    path.write_text(getattr(request.module, "TABLE", TABLE))
    return path
