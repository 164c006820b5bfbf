"""Whether this machine's sums depend on the number of rows in the batch.

onnxruntime sums wide rows in inner blocks of features. Without a kernel for one row of weights (it
has one where there is AVX) it chooses their length by the number of rows: 1,024 features up to 16
rows, 512 up to 32, 256 up to 64, and 128 beyond that (MlasGemmBatch's strides). Then a row of more
than 128 features has other bits in a small batch than in a large one, unless every block of rows is
filled up to more than 64.
"""

from functools import cache
from typing import Final

import numpy as np

from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.onnx_graph import write_graph
from serve_runtime.inference.onnxruntime_library import CPU
from serve_runtime.inference.sessions import Session

SHORTEST: Final = 128
"""Features of the shortest inner block; up to so many, a row is summed in one."""

FILLED_ROWS: Final = 68
"""Rows from which on, in multiples of 4, all batches are summed in inner blocks of one length."""


def least_rows(n_features: int) -> int:
    """Rows that a block of `n_features` features is to be filled up to, at least, so that the bits
    of a row do not depend on the batch: 0 or FILLED_ROWS."""
    return FILLED_ROWS if n_features > SHORTEST and sums_depend_on_rows() else 0


@cache
def sums_depend_on_rows() -> bool:
    """Whether a sum that every inner block would make larger differs between numbers of rows.

    The sum starts with 2²⁵, to which adding 1 changes nothing in float32: so what comes out is
    2²⁵ and the ones of all inner blocks but the first. Takes a millisecond, once in a process.
    """
    count = 2 * SHORTEST
    affine = Affine(np.ones(count, np.float32), 0.0)
    row = np.ones(count, np.float32)
    row[0] = 2.0**25
    for layout in (ROWS, COLUMNS):  # some processors have the kernel for one of the two
        session = Session(write_graph(affine, layout), (CPU,))
        sums = set()
        for rows in (4, 20, 36, FILLED_ROWS):
            batch = np.tile(row, (rows, 1))
            logit, _ = session.run(batch if layout == ROWS else np.ascontiguousarray(batch.T))
            sums.add(float(logit[0, 0]))
        if len(sums) > 1:
            return True
    return False
