"""The same model as other exporters write it, and as they or onnxruntime score it."""

import logging
import warnings
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from export.formats.artifact import Score, Scorer, Scores
from export.formats.onnxruntime_scorer import session
from export.formats.torch_values import tensors
from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine


def torch_onnx(affine: Affine) -> Score:
    """torch.onnx.export at its defaults, of nn.Sequential(nn.Linear, nn.Sigmoid), in onnxruntime.

    Its graph answers the probability alone; logits are from the same export of nn.Linear alone.
    """
    linear = nn.Linear(len(affine.weight), 1)
    linear.load_state_dict(tensors(Affine(affine.weight, affine.bias)))
    probability = session(torch_export(nn.Sequential(linear, nn.Sigmoid())))
    logit = session(torch_export(nn.Sequential(linear)))

    def score(rows: Float32) -> Scores:
        taken = {"features": rows}
        return logit.run(None, taken)[0].reshape(-1), probability.run(None, taken)[0].reshape(-1)

    return score


def skl2onnx(affine: Affine) -> Score:
    """scikit-learn's LogisticRegression through skl2onnx, in onnxruntime.

    Logits are from its raw_scores option, probabilities from its default.
    """
    model = sklearn_model(affine)
    probability = session(skl2onnx_export(model, raw_scores=False))
    logit = session(skl2onnx_export(model, raw_scores=True))

    def score(rows: Float32) -> Scores:
        positive = probability.run(["probabilities"], {"features": rows})[0][:, 1]
        return logit.run(["probabilities"], {"features": rows})[0][:, 1], positive

    return score


def sklearn(affine: Affine) -> Score:
    """scikit-learn's own LogisticRegression on float32 rows, as its user calls it."""
    model = sklearn_model(affine)

    def score(rows: Float32) -> Scores:
        if not len(rows):  # scikit-learn refuses an empty batch
            return np.empty(0), np.empty(0)
        with np.errstate(over="ignore", invalid="ignore"):  # its search for NaN
            return model.decision_function(rows), model.predict_proba(rows)[:, 1]

    return score


def scorers(affine: Affine) -> list[Scorer]:
    """Every peer, in the form in which the proof measures the exported files."""
    return [
        Scorer("torch.onnx.export", torch_onnx(affine)),
        Scorer("skl2onnx", skl2onnx(affine)),
        Scorer("scikit-learn, no export", sklearn(affine), finite_only=True, wide=True),
    ]


def sklearn_model(affine: Affine) -> Any:
    """A LogisticRegression with these weights, and labels 0 and 1."""
    model = LogisticRegression()
    model.classes_ = np.array([0, 1])
    model.coef_ = affine.weight[None].astype(np.float64)
    model.intercept_ = np.array([affine.bias], np.float64)
    model.n_features_in_ = len(affine.weight)
    return model


def torch_export(model: nn.Module) -> bytes:
    """The ONNX file that torch.onnx.export writes, for any batch size; its warnings go unheard."""
    log = logging.getLogger("torch.onnx")
    level, width = log.level, model[0].in_features  # type: ignore[index]
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                model.eval(),
                (torch.zeros(2, width),),
                input_names=["features"],
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                verbose=False,
            )
    finally:
        log.setLevel(level)
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


def skl2onnx_export(model: Any, *, raw_scores: bool) -> bytes:
    """A LogisticRegression as skl2onnx writes it; with `raw_scores`, logits for probabilities."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    options = {id(model): {"zipmap": False, "raw_scores": raw_scores}}
    kind = FloatTensorType([None, model.n_features_in_])
    converted = convert_sklearn(model, initial_types=[("features", kind)], options=options)
    content: bytes = converted.SerializeToString()
    return content
