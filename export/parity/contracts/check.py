"""Contracts: what holds between the scores of several rows, whatever their values.

No tolerance can express them, so each is tried by itself.

A row has the same bits alone and in any batch, from any array, at any number of threads; a
probability is in [0, 1], right for its logit, and never falls while the logit rises, not even from
one float32 to the next; a logit never moves against the sign of a feature's weight; a neighbour's
NaN changes nothing; and a row without a finite logit is refused.
"""

from collections.abc import Mapping
from pathlib import Path

from export.errors import ParityError
from export.parity.contracts.batches import same_in_every_batch
from export.parity.contracts.consecutive import rising_from_logit_to_logit
from export.parity.contracts.file_itself import neighbours, same_as_file
from export.parity.contracts.in_layout import LayoutPredictor
from export.parity.contracts.monotone import monotone_in_features, monotone_in_logit
from export.parity.contracts.refusals import bad_rows_are_refused
from export.parity.proof_rows import ProofBatch, without_overflow
from export.parity.scorers import THREADS
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.predictor import Predictor


def check_contracts(
    folder: Path, batches: Mapping[str, ProofBatch], affine: Affine
) -> dict[str, int]:
    """Check every contract on both ONNX files in `folder`; returns how many rows showed each.

    Raises ParityError naming the contract, the file and the row.
    """
    random, sweep = (
        without_overflow(batches[name].rows, affine) for name in ("random rows", "logit sweep")
    )
    if not len(random):
        raise ParityError(
            f"{folder}: every row within the training ranges overflows float32: check the units of "
            "the features"
        )
    shown: dict[str, int] = {}
    for layout, name in MODEL_FILES.items():
        path = folder / name
        one, several = (
            LayoutPredictor(layout, Predictor(path, threads=t), t) for t in (1, THREADS)
        )
        content = read_bytes(path)
        for contract, rows in (
            ("same bits alone, in any batch, from any array, at any threads, by every method",
             same_in_every_batch(name, one, several, random)),
            ("probability in [0, 1] and rising with the logit",
             monotone_in_logit(name, one, sweep)),
            ("logit monotone in each feature by the sign of its weight",
             monotone_in_features(name, one, affine, random)),
            ("a row that cannot be scored is refused",
             bad_rows_are_refused(name, one, several, affine, random)),
            ("a neighbour's NaN changes nothing",
             neighbours(name, content, layout, random)),
            ("same bits as the file in onnxruntime itself",
             same_as_file(name, several, content, random, sweep)),
        ):  # fmt: skip
            shown[contract] = shown.get(contract, 0) + rows
    shown["probability right and rising from each float32 logit to the next"] = (
        rising_from_logit_to_logit()
    )
    return shown
