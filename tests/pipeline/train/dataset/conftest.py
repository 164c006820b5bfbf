"""Datasets on disk of a few thousand rows."""

import pytest

from train.dataset import block_file, on_disk


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of a page for each feature, and a reader that is said to need no memory."""
    monkeypatch.setattr(block_file, "_BLOCK_VALUES", 1)
    monkeypatch.setattr("train.gradients.numba_kernels.block_rows", lambda width: 256)
    monkeypatch.setattr(on_disk, "_READING", 0)
