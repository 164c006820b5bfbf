"""Everything that scores in a proof: the ONNX files at every setting, and references.

A reference computes the same function without any of the exported files that it is compared with,
or, like onnx's own evaluator, in another way.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from export.formats.artifact import Score, Scorer, Scores
from export.formats.onnxruntime_scorer import onnx_score
from export.parity.encoded_model import EncodedModel, Model
from export.parity.mixed.scorers import exact_sums, predictor_scores, raw_reference_scorers
from serve_runtime.arrays import ROWS, Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.error_budgets import sigmoid
from serve_runtime.features.encoding import Encoding
from serve_runtime.predictor import Predictor

THREADS = 3
"""Of the scorers with several threads; fixed, so that every machine runs the same proof."""


def serving_scorers(folder: Path, encoding: Encoding | None = None) -> Iterable[Scorer]:
    """Both ONNX files in onnxruntime, optimised or not, at 1 and several threads; and Predictors,
    which are given raw rows of several kinds where the model has an `encoding`.

    This needs neither torch nor onnx, so that a runtime can be proven on the machine that serves.
    """
    for layout, name in MODEL_FILES.items():
        content = read_bytes(folder / name)
        for threads in (1, THREADS):
            for optimize in (True, False):
                how = f"{threads} thread{'s' if threads > 1 else ''}"
                how += "" if optimize else ", not optimised"
                score = onnx_score(content, layout, encoding, threads=threads, optimize=optimize)
                yield Scorer(f"onnxruntime, {layout}, {how}", score)
    for layout, name in MODEL_FILES.items():
        predictor = Predictor(folder / name)
        scores = {"": _predictor(predictor, layout)}
        if encoding is not None:
            scores = {f", {kind}": score for kind, score in predictor_scores(predictor).items()}
        for kind, score in scores.items():
            yield Scorer(f"Predictor, {layout}{kind}", score, finite_only=True)


def _predictor(predictor: Predictor, layout: str) -> Score:
    if layout == ROWS:
        return predictor.scores
    names = predictor.card.feature_names
    return lambda rows: predictor.scores(dict(zip(names, rows.T, strict=True)))


def reference_scorers(folder: Path, model: Model) -> Iterable[Scorer]:
    """math.fsum, torch in float32 and float64, and onnx's own evaluator of both ONNX files; of a
    model that encodes its columns, a Predictor that is given Arrow too."""
    import torch

    if isinstance(model, EncodedModel):
        yield from raw_reference_scorers(folder, model)
        return
    affine = model
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

    def score(rows: Float32) -> Scores:
        with np.errstate(invalid="ignore"):
            logits = exact_sums((rows - center) * weight, affine.bias)
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
