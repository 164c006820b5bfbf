import shutil

import pytest
from hypothesis import settings

from light.helpers import TINY, tiny_card
from serve_runtime import Predictor
from serve_runtime.inference import block_scorer, engine
from serve_runtime.inputs import blocks, named_columns

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
def cut_blocks(monkeypatch):
    """A function that makes blocks short, so that few rows make many, and occupy many threads."""

    def cut(rows, values, small=8):
        for module in (engine, block_scorer):
            monkeypatch.setattr(module, "BLOCK_ROWS", rows)
        monkeypatch.setattr(engine, "COPIED_VALUES", values)
        monkeypatch.setattr(engine, "_PARALLEL_VALUES", 64)
        for module in (named_columns, blocks):
            monkeypatch.setattr(module, "AT_ONCE", 2 * values)
        monkeypatch.setattr(blocks, "_LONG", 2)
        monkeypatch.setattr(block_scorer, "_SMALL_ROWS", small)

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
