"""Blocks are filled up where, and only where, bits would depend on the number of rows."""

import numpy as np
import pytest

from light import kernel_faults, wide
from light.helpers import assert_same_bits
from serve_runtime import Predictor
from serve_runtime.inference import inner_blocks

SIZES = (1, 2, 3, 4, 5, 16, 17, 33, 63, 64, 65, 68, 69, 100, 300)


def inputs(rows):
    names = [f"f{i}" for i in range(rows.shape[1])]
    lying = np.ascontiguousarray(rows.T)
    return {
        "rows": rows,
        "float64 rows": rows.astype(np.float64),
        "columns": dict(zip(names, rows.T, strict=True)),
        "columns where they lie": dict(zip(names, lying, strict=True)),
        "a transposed view": lying.T,
    }


def assert_same_in_any_batch(predictor, rows):
    """Each kind of input has the bits of its rows alone, in batches of every size."""
    for kind in inputs(rows):
        first = "rows" if "rows" in kind else "columns"  # a view of one row is read as rows
        alone = np.array([predictor.scores(inputs(row[None])[first]) for row in rows])[:, :, 0]
        for size in SIZES if kind == first else SIZES[1:]:
            taken = np.arange(size) % len(rows)
            for found, want in zip(
                predictor.scores(inputs(rows[taken])[kind]), alone[taken].T, strict=True
            ):
                assert_same_bits(found, want.copy())


@pytest.fixture
def model(tmp_path):
    rng = np.random.default_rng(3)
    _, folder = wide.write_bundle(tmp_path / "wide", rng.normal(size=200))
    return folder, rng.normal(size=(20, 200)).astype(np.float32)


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_have_the_same_bits_where_sums_depend_on_rows(monkeypatch, cut_blocks, model, threads):
    folder, rows = model
    kernel_faults.install(monkeypatch, kernel_faults.sums_by_rows)
    assert_same_in_any_batch(Predictor(folder, threads=threads), rows)
    cut_blocks(rows=8, values=600)  # blocks are filled up, however short they are cut
    assert_same_in_any_batch(Predictor(folder, threads=threads), rows)


def test_narrow_models_are_never_filled_up(monkeypatch):
    monkeypatch.setattr(inner_blocks, "sums_depend_on_rows", lambda: True)
    found = [inner_blocks.least_rows(width) for width in (1, 128, 129, 1000)]
    assert found == [0, 0, 68, 68]


def test_wide_models_are_not_filled_up_where_sums_agree(monkeypatch):
    monkeypatch.setattr(inner_blocks, "sums_depend_on_rows", lambda: False)
    assert inner_blocks.least_rows(1000) == 0
