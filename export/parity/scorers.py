"""What scores an ONNX file in the proof, and the references that need no file."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from export.formats.artifact import Score, Scores
from export.formats.onnxruntime_scorer import scorer
from export.parity.measure import Subject
from serve_runtime.arrays import ROWS, Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.error_budgets import sigmoid
from serve_runtime.predictor import Predictor

THREADS = 3
"""Of the oracles with several threads; fixed, so that every machine runs the same proof."""


def served(folder: Path) -> Iterable[Subject]:
    """onnxruntime at no and at its default optimisation, at 1 and several threads; Predictors.

    Needs neither torch nor onnx, so that any runtime can be proven where it serves.
    """
    for layout, name in MODEL_FILES.items():
        content = read_bytes(folder / name)
        for threads in (1, THREADS):
            for optimize in (True, False):
                how = f"{threads} thread{'s' if threads > 1 else ''}"
                how += "" if optimize else ", not optimised"
                score = scorer(content, layout, threads=threads, optimize=optimize)
                yield Subject(f"onnxruntime, {layout}, {how}", score)
    for layout, name in MODEL_FILES.items():
        yield Subject(f"Predictor, {layout}", _predictor(folder / name, layout), finite_only=True)


def _predictor(path: Path, layout: str) -> Score:
    predictor = Predictor(path)
    if layout == ROWS:
        return predictor.scores
    names = predictor.card.feature_names
    return lambda rows: predictor.scores(dict(zip(names, rows.T, strict=True)))


def references(folder: Path, affine: Affine) -> Iterable[Subject]:
    """math.fsum, torch eager in float32 and float64, onnx's own reference evaluator."""
    import torch

    yield Subject("float64, math.fsum", _fsum(affine), wide=True)
    yield Subject("torch float32", _eager(affine, torch.float32))
    yield Subject("torch float64", _eager(affine, torch.float64), wide=True)
    for layout, name in MODEL_FILES.items():
        yield Subject(f"onnx reference, {layout}", _evaluator(folder / name, layout))


def _fsum(affine: Affine) -> Score:
    """Exact products, exactly summed, rounded once (Shewchuk's algorithm in math.fsum)."""
    weight = affine.weight.astype(np.float64)
    center = 0.0 if affine.center is None else affine.center.astype(np.float64)

    def logit(terms: list[float]) -> float:
        try:
            return math.fsum([*terms, affine.bias])
        except (OverflowError, ValueError):  # infinities of both signs have no sum
            return math.nan

    def score(rows: Float32) -> Scores:
        with np.errstate(invalid="ignore"):
            terms = ((rows - center) * weight).tolist()
        logits = np.array([logit(row) for row in terms], np.float64).reshape(-1)
        return logits, sigmoid(logits)

    return score


def _eager(affine: Affine, dtype: Any) -> Score:
    """The model itself, nn.Sequential(nn.Linear, nn.Sigmoid), as torch runs it."""
    import torch

    from export.formats.torch_values import tensors, torch_score

    values = {name: value.to(dtype) for name, value in tensors(affine).items()}
    linear = torch.nn.Linear(len(affine.weight), 1, dtype=dtype)
    model = torch.nn.Sequential(linear, torch.nn.Sigmoid())
    model.load_state_dict({f"0.{name}": values[name] for name in ("weight", "bias")})
    center = values.get("center", torch.zeros(1, dtype=dtype))
    return torch_score(lambda x: (linear(x - center), model(x - center)), dtype)


def _evaluator(path: Path, layout: str) -> Score:
    import onnx
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(onnx.load_from_string(read_bytes(path)))

    def score(rows: Float32) -> Scores:
        taken = {"features": rows} if layout == "rows" else {"columns": rows.T}
        with np.errstate(all="ignore"):  # exp overflows where the sigmoid is 0
            logit, probability = evaluator.run(None, taken)
        return np.reshape(logit, -1), np.reshape(probability, -1)

    return score
