"""Prints a row that failed as a test, which can be pasted into a file and run."""

import numpy as np
import numpy.typing as npt

from export.parity.encoded_model import Model, Rows, affine_of
from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.features.raw_rows import RawRows

_WIDEST = 64
"""Most features of a row that is printed."""


def as_test(scored_by: str, row: Rows, exact: np.float32 | None, model: Model) -> str:
    """A test that holds the scorer named `scored_by` to its budget on `row`: (d,), or one raw row.

    `exact` is the logit that the row must give without any error, or None where errors are allowed.
    Of a row with more than 64 features, only a remark that says so.
    """
    width = len(row.numbers) + len(row.texts) if isinstance(row, RawRows) else len(row)
    if width > _WIDEST:
        return f"\n({width} features are too many to print as a test)"
    logit = "None" if exact is None else _values(np.array([exact]))
    imports, held = _raw(row) if isinstance(row, RawRows) else _plain(row, affine_of(model))
    return f"""

As a test, for a checkout; it holds a row, which may be somebody's. Save it as row.py, and run
python row.py BUNDLE, or call test_row with the bundle's path:

import sys
from pathlib import Path
import numpy as np
from export.parity.measure import measure
from export.parity.proof_rows import ProofBatch
{imports}

def test_row(bundle):
{held}
    exact = {logit}
    chosen = [s for s in scorers_of(bundle, model) if s.name == {scored_by!r}]
    assert chosen
    measure(chosen, [ProofBatch("the row", row, exact)], model).require()

if __name__ == "__main__":
    test_row(Path(sys.argv[1]))
"""


def _plain(row: Float32, affine: Affine) -> tuple[str, str]:
    """The lines that a test of plain numbers imports, and those that make row and model."""
    center = "None" if affine.center is None else _values(affine.center)
    return (
        "from export.proof import scorers_of\nfrom serve_runtime.bundle.affine import Affine",
        f"""    row = {_values(row)}[None]
    weight, bias = {_values(affine.weight)}, {affine.bias!r}
    center = {center}
    model = Affine(weight, bias, center)""",
    )


def _raw(row: RawRows) -> tuple[str, str]:
    """The same of raw values; the model is the one that all files of the bundle hold."""
    numbers = row.numbers.astype("<f8").tobytes().hex()
    return (
        "from export.proof import model_in, scorers_of\n"
        "from serve_runtime.features.raw_rows import RawRows",
        f"""    # {row.numbers[:, 0].tolist()}
    numbers = np.frombuffer(bytes.fromhex("{numbers}"), "<f8")
    row = RawRows(numbers[:, None], {row.texts!a})
    model = model_in(bundle)""",
    )


def _values(values: npt.NDArray[np.float32]) -> str:
    return f'np.frombuffer(bytes.fromhex("{values.astype("<f4").tobytes().hex()}"), "<f4")'
