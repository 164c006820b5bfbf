"""What scores raw rows in a proof: Predictors, and references that encode them in another way."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from export.formats.artifact import Score, Scorer, Scores
from export.formats.onnxruntime_scorer import raw_feed
from export.parity.encoded_model import EncodedModel
from export.parity.mixed.kinds import as_arrow, as_columns, as_dicts, as_lists
from serve_runtime.arrays import Float64
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.error_budgets import sigmoid
from serve_runtime.features.column import Column
from serve_runtime.features.encoding import Encoding
from serve_runtime.features.raw_rows import RawRows
from serve_runtime.predictor import Predictor

Given = Callable[[Sequence[Column], RawRows], Any]
"""Raw rows as what is passed to a Predictor."""


def predictor_scores(predictor: Predictor) -> dict[str, Score]:
    """A Predictor that is given raw rows of several kinds, by the kind."""
    kinds = {"named columns": as_columns, "lists": as_lists, "dicts": as_dicts}
    return {kind: _predictor(predictor, given) for kind, given in kinds.items()}


def raw_reference_scorers(folder: Path, model: EncodedModel) -> Iterable[Scorer]:
    """math.fsum, torch in float32 and float64, onnx's own evaluator of both ONNX files, and a
    Predictor that is given Arrow."""
    import torch

    yield Scorer("float64, math.fsum", _exact_sum_score(model), wide=True)
    yield Scorer("torch float32", _torch_eager_score(model, torch.float32))
    yield Scorer("torch float64", _torch_eager_score(model, torch.float64), wide=True)
    for layout, name in MODEL_FILES.items():
        score = _onnx_reference_score(folder / name, layout, model.encoding)
        yield Scorer(f"onnx reference, {layout}", score)
    predictor = Predictor(folder / next(iter(MODEL_FILES.values())))
    yield Scorer("Predictor, Arrow", _predictor(predictor, as_arrow), finite_only=True)


def _predictor(predictor: Predictor, given: Given) -> Score:
    columns = predictor.card.columns
    # No list says of itself which columns its no rows have.
    return lambda rows: predictor.scores((given if len(rows) else as_columns)(columns, rows))


def _exact_sum_score(model: EncodedModel) -> Score:
    """Logits whose exact products and terms are summed exactly and rounded once."""
    weight = model.affine.weight.astype(np.float64)
    center = 0.0 if model.affine.center is None else model.affine.center.astype(np.float64)

    def score(rows: RawRows) -> Scores:
        found = model.terms(rows)
        with np.errstate(invalid="ignore"):
            parts = [(found.numbers.T - center) * weight, found.added.T]
            if (on := found.segments) is not None:
                parts += [on.value.T, (on.slope * on.distance).T]
        logits = exact_sums(np.concatenate(parts, axis=1), model.affine.bias)
        return logits, sigmoid(logits)

    return score


def exact_sums(terms: Float64, bias: float) -> Float64:
    """The sums (n,) of `terms` (n, c) and the bias, each exact and rounded once."""

    def exact(row: list[float]) -> float:
        try:
            return math.fsum([*row, bias])
        except (OverflowError, ValueError):  # infinities of both signs have no sum
            return math.nan

    return np.array([exact(row) for row in terms.tolist()], np.float64).reshape(-1)


def _torch_eager_score(model: EncodedModel, dtype: Any) -> Score:
    """torch's linear layer and sigmoid in `dtype`, of filled numbers and an offset."""
    import torch

    from export.formats.torch_values import tensors

    values = {name: value.to(dtype) for name, value in tensors(model.affine).items()}

    @torch.no_grad()
    def score(rows: RawRows) -> Scores:
        found = model.terms(rows)
        offset = values["bias"].expand(len(rows))
        gaps = range(len(model.encoding.tables), len(found.added))
        for group in (*model.encoding.groups, *([gap] for gap in gaps)):
            offset = offset + reduce(torch.add, torch.from_numpy(found.added[group]).to(dtype))
        if found.segments is not None:
            parts = (torch.from_numpy(part).to(dtype) for part in found.segments)
            for value, slope, distance in zip(*parts, strict=True):
                offset = offset + (value + slope * distance)
        x = torch.from_numpy(found.numbers.T.copy()).to(dtype)
        if "center" in values:
            x = x - values["center"]
        logit = torch.addmm(offset[:, None], x, values["weight"].t())
        return logit.numpy().reshape(-1), torch.sigmoid(logit).numpy().reshape(-1)

    return score


def _onnx_reference_score(path: Path, layout: str, encoding: Encoding) -> Score:
    """The graph evaluated by onnx.reference, which is written in numpy."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    from export.parity.mixed.reference_operators import Gemm, TreeEnsembleRegressor

    model = onnx.load_from_string(read_bytes(path))
    evaluator = ReferenceEvaluator(model, new_ops=[Gemm, TreeEnsembleRegressor])

    def score(rows: RawRows) -> Scores:
        with np.errstate(all="ignore"):  # exp overflows where the sigmoid is 0
            logit, probability = evaluator.run(None, raw_feed(encoding, layout, rows, missing=""))
        return np.reshape(logit, -1), np.reshape(probability, -1)

    return score
