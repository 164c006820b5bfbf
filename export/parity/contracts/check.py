"""Contracts: what holds between the scores of several rows, whatever their values.

No tolerance can express them, so each is tried by itself.

A row has the same bits alone and in any batch, from any array, at any number of threads; a
probability is in [0, 1], right for its logit, and never falls while the logit rises, not even from
one float32 to the next; a logit never moves against the sign of a feature's weight, or against its
curve; a neighbour's NaN changes nothing; and a row without a finite logit is refused.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from export.errors import ParityError
from export.formats.onnxruntime_scorer import onnx_score
from export.parity.contracts.batches import same_in_every_batch
from export.parity.contracts.consecutive import rising_from_logit_to_logit
from export.parity.contracts.file_itself import neighbours, same_as_file
from export.parity.contracts.in_layout import LayoutPredictor
from export.parity.contracts.monotone import monotone_in_features, monotone_in_logit
from export.parity.contracts.refusals import bad_rows_are_refused
from export.parity.encoded_model import EncodedModel, Model, without_overflow
from export.parity.mixed import contracts as mixed
from export.parity.proof_rows import ProofBatch
from export.parity.scorers import THREADS
from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.features.raw_rows import RawRows
from serve_runtime.predictor import Predictor


def check_contracts(
    folder: Path, batches: Mapping[str, ProofBatch], model: Model
) -> dict[str, int]:
    """Check every contract on both ONNX files in `folder`; returns how many rows showed each.

    Raises ParityError naming the contract, the file and the row.
    """
    random, sweep = (
        without_overflow(batches[name].rows, model) for name in ("random rows", "logit sweep")
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
        content, rows = read_bytes(path), (random, sweep)
        every = (
            _raw(name, one, several, content, model, *rows)
            if isinstance(model, EncodedModel)
            else _plain(name, one, several, content, model, *rows)
        )
        for contract, count in every:
            shown[contract] = shown.get(contract, 0) + count
    shown["probability right and rising from each float32 logit to the next"] = (
        rising_from_logit_to_logit()
    )
    return shown


def _plain(
    name: str,
    one: LayoutPredictor,
    several: LayoutPredictor,
    content: bytes,
    affine: Affine,
    random: Float32,
    sweep: Float32,
) -> Iterator[tuple[str, int]]:
    """Each contract of a model of plain numbers, and how many rows showed it."""
    yield (
        "same bits alone, in any batch, from any array, at any threads, by every method",
        same_in_every_batch(name, one, several, random),
    )
    yield "probability in [0, 1] and rising with the logit", monotone_in_logit(name, one, sweep)
    yield (
        "logit monotone in each feature by the sign of its weight",
        monotone_in_features(name, one, affine, random),
    )
    yield (
        "a row that cannot be scored is refused",
        bad_rows_are_refused(name, one, several, affine, random),
    )
    yield (
        "a neighbour's NaN changes nothing",
        neighbours(name, onnx_score(content, one.layout), random),
    )
    yield (
        "same bits as the file in onnxruntime itself",
        same_as_file(name, several, onnx_score(content, one.layout), random, sweep),
    )


def _raw(
    name: str,
    one: LayoutPredictor,
    several: LayoutPredictor,
    content: bytes,
    model: EncodedModel,
    random: RawRows,
    sweep: RawRows,
) -> Iterator[tuple[str, int]]:
    """Each contract of a model that encodes its columns, and how many rows showed it."""
    score = onnx_score(content, one.layout, model.encoding)
    yield (
        "same bits alone, in any batch, of any kind, at any threads, by every method",
        mixed.same_in_every_batch(name, one, several, random),
    )
    yield "probability in [0, 1] and rising with the logit", monotone_in_logit(name, one, sweep)
    yield (
        "logit monotone in each number by the sign of its weight",
        mixed.monotone_in_numbers(name, one, model, random),
    )
    if model.encoding.curves:
        yield (
            "logit as high as a bent number is on its curve",
            mixed.monotone_on_curves(name, one, model, random),
        )
    yield (
        "a row that cannot be scored is refused",
        mixed.bad_rows_are_refused(name, one, several, model, random),
    )
    yield (
        "a neighbour that is refused changes nothing",
        mixed.neighbours(name, score, model, random),
    )
    yield (
        "same bits as the file in onnxruntime itself",
        same_as_file(name, several, score, random, sweep),
    )
