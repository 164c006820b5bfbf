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

from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.onnx_graph import write_linear
from serve_runtime.inference.sessions import CPU, Session

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
    2²⁵ and the ones of all inner blocks but the first. Takes half a millisecond, once in a process.
    """
    count = 2 * SHORTEST
    session = Session(write_linear(Affine(np.ones(count, np.float32), 0.0)), (CPU,))
    columns = np.ones((count, FILLED_ROWS), np.float32)
    columns[0] = 2.0**25
    sums = {
        float(session.run(np.ascontiguousarray(columns[:, :rows]))[0][0, 0])
        for rows in (4, 20, 36, FILLED_ROWS)
    }
    return len(sums) > 1
