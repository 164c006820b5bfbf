"""Everything that scores in a proof: the ONNX files at every setting, and references.

A reference computes the same function without any of the exported files that it is compared with,
or, like onnx's own evaluator, in another way.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from export.formats.artifact import Score, Scorer, Scores
from export.formats.onnxruntime_scorer import onnx_score
from serve_runtime.arrays import ROWS, Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.error_budgets import sigmoid
from serve_runtime.predictor import Predictor

THREADS = 3
"""Of the scorers with several threads; fixed, so that every machine runs the same proof."""


def serving_scorers(folder: Path) -> Iterable[Scorer]:
    """Both ONNX files in onnxruntime, optimised or not, at 1 and several threads; and Predictors.

    This needs neither torch nor onnx, so that a runtime can be proven on the machine that serves.
    """
    for layout, name in MODEL_FILES.items():
        content = read_bytes(folder / name)
        for threads in (1, THREADS):
            for optimize in (True, False):
                how = f"{threads} thread{'s' if threads > 1 else ''}"
                how += "" if optimize else ", not optimised"
                score = onnx_score(content, layout, threads=threads, optimize=optimize)
                yield Scorer(f"onnxruntime, {layout}, {how}", score)
    for layout, name in MODEL_FILES.items():
        yield Scorer(f"Predictor, {layout}", _predictor(folder / name, layout), finite_only=True)


def _predictor(path: Path, layout: str) -> Score:
    predictor = Predictor(path)
    if layout == ROWS:
        return predictor.scores
    names = predictor.card.feature_names
    return lambda rows: predictor.scores(dict(zip(names, rows.T, strict=True)))


def reference_scorers(folder: Path, affine: Affine) -> Iterable[Scorer]:
    """math.fsum, torch in float32 and float64, and onnx's own evaluator of both ONNX files."""
    import torch

    yield Scorer("float64, math.fsum", exact_sum_score(affine), wide=True)
    yield Scorer("torch float32", torch_eager_score(affine, torch.float32))
    yield Scorer("torch float64", torch_eager_score(affine, torch.float64), wide=True)
    # numpy gives NaN · 0 as 0 where a matrix has one column, which it multiplies by one number.
    finite_only = np.array_equal(affine.weight, [0])
    for layout, name in MODEL_FILES.items():
        score = _onnx_reference_score(folder / name, layout)
        yield Scorer(f"onnx reference, {layout}", score, finite_only=finite_only)


def exact_sum_score(affine: Affine) -> Score:
    """Logits whose exact products are summed exactly and rounded once.

    math.fsum does that (Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997).
    """
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


def torch_eager_score(affine: Affine, dtype: Any) -> Score:
    """The trained model itself, nn.Sequential(nn.Linear, nn.Sigmoid), run by torch in `dtype`."""
    import torch

    from export.formats.torch_values import tensors, torch_score

    values = {name: value.to(dtype) for name, value in tensors(affine).items()}
    linear = torch.nn.Linear(len(affine.weight), 1, dtype=dtype)
    model = torch.nn.Sequential(linear, torch.nn.Sigmoid())
    model.load_state_dict({f"0.{name}": values[name] for name in ("weight", "bias")})
    center = values.get("center", torch.zeros(1, dtype=dtype))
    return torch_score(lambda x: (linear(x - center), model(x - center)), dtype)


def _onnx_reference_score(path: Path, layout: str) -> Score:
    """The graph evaluated by onnx.reference, which is written in numpy."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(onnx.load_from_string(read_bytes(path)))

    def score(rows: Float32) -> Scores:
        taken = {"features": rows} if layout == ROWS else {"columns": rows.T}
        with np.errstate(all="ignore"):  # exp overflows where the sigmoid is 0
            logit, probability = evaluator.run(None, taken)
        return np.reshape(logit, -1), np.reshape(probability, -1)

    return score
