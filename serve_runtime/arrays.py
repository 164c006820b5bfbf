"""Types of numpy arrays, and the two layouts in which rows are scored."""

from typing import Any

import numpy as np

# Spelled out: numpy.typing takes 0.6 ms to import, and nothing else here needs it.
Float32 = np.ndarray[Any, np.dtype[np.float32]]
Float64 = np.ndarray[Any, np.dtype[np.float64]]
Floats = np.ndarray[Any, np.dtype[np.floating]]

ROWS, COLUMNS = "rows", "columns"
"""The two layouts: features as [batch, d], and as [d, batch]."""

Array = np.ndarray[Any, np.dtype[Any]]
