"""Types of numpy arrays, the two layouts in which rows are scored, and labels as an array."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from serve_runtime.bundle.card import Label, label_type

# Spelled out: numpy.typing takes 0.6 ms to import, and nothing else here needs it.
Float32 = np.ndarray[Any, np.dtype[np.float32]]
Float64 = np.ndarray[Any, np.dtype[np.float64]]
Floats = np.ndarray[Any, np.dtype[np.floating]]

ROWS, COLUMNS = "rows", "columns"
"""The two layouts: features as [batch, d], and as [d, batch]."""

Array = np.ndarray[Any, np.dtype[Any]]


def label_array(labels: Sequence[Label]) -> Array:
    """The labels of a card (2,), each equal to what the card holds: bool, int64, float64 or texts.

    numpy's texts end before a NUL. Where a label ends in one, the array's dtype is object.
    """
    kind = label_type(labels)
    if kind is str and any(str(label).endswith("\0") for label in labels):
        return np.array(labels, object)
    return np.array(labels, {int: np.int64, float: np.float64}.get(kind))  # type: ignore[arg-type]
