"""Prints a row that failed as a test, which can be pasted into a file and run."""

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine

_WIDEST = 64
"""Most features of a row that is printed."""


def as_test(scored_by: str, row: Float32, exact: np.float32 | None, affine: Affine) -> str:
    """A test that holds the scorer named `scored_by` to its budget on `row` (d,).

    `exact` is the logit that the row must give without any error, or None where errors are allowed.
    Of a row with more than 64 features, only a remark that says so.
    """
    if len(row) > _WIDEST:
        return f"\n({len(row)} features are too many to print as a test)"
    center = "None" if affine.center is None else _values(affine.center)
    logit = "None" if exact is None else _values(np.array([exact]))
    return f"""

As a test, for a checkout; it holds a row, which may be somebody's. Save it as row.py, and run
python row.py BUNDLE, or call test_row with the bundle's path:

import sys
from pathlib import Path
import numpy as np
from export.parity.measure import measure
from export.parity.proof_rows import ProofBatch
from export.proof import scorers_of
from serve_runtime.bundle.affine import Affine

def test_row(bundle):
    row = {_values(row)}[None]
    weight, bias = {_values(affine.weight)}, {affine.bias!r}
    center, exact = {center}, {logit}
    affine = Affine(weight, bias, center)
    chosen = [s for s in scorers_of(bundle, affine) if s.name == {scored_by!r}]
    assert chosen
    measure(chosen, [ProofBatch("the row", row, exact)], affine).require()

if __name__ == "__main__":
    test_row(Path(sys.argv[1]))
"""


def _values(values: npt.NDArray[np.float32]) -> str:
    return f'np.frombuffer(bytes.fromhex("{values.astype("<f4").tobytes().hex()}"), "<f4")'
