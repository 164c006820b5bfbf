"""Probabilities in the tails, through everything that is exported."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from export.formats.registry import ONNX_COLUMNS, ONNX_ROWS, TORCH_EXPORT, TORCHSCRIPT
from pipeline.export.bundle_files import weights_of
from serve_runtime import Predictor

LOGITS = (-20.0, -50.0, -85.0)
ULP = 4


def _predictor(bundle: Path) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    return Predictor(bundle).scores


WAYS = {
    "Predictor, rows": _predictor,
    "Predictor, columns": lambda b: Predictor(b / "model.columnar.onnx").scores,
    "model.onnx": lambda b: ONNX_ROWS.load(b).score,
    "model.columnar.onnx": lambda b: ONNX_COLUMNS.load(b).score,
    "TorchScript": lambda b: TORCHSCRIPT.load(b).score,
    ".pt2": lambda b: TORCH_EXPORT.load(b).score,
}


def rows_with_logits(bundle: Path) -> np.ndarray:
    weight, bias = weights_of(bundle)
    wide = weight.astype(np.float64)
    steps = (np.array(LOGITS) - bias) / (wide @ wide)
    return (steps[:, None] * wide).astype(np.float32)


@pytest.mark.parametrize("way", WAYS)
def test_tail_probability_is_the_exact_sigmoid_of_its_logit(pristine: Path, way: str) -> None:
    logit, probability = WAYS[way](pristine)(rows_with_logits(pristine))
    np.testing.assert_allclose(logit, LOGITS, rtol=1e-5)
    for z, p in zip(logit, probability, strict=True):
        exact = 1 / (1 + math.exp(-float(z)))
        assert abs(float(p) - exact) <= ULP * np.spacing(np.float32(exact))


def test_onnx_own_sigmoid_would_not_pass(pristine: Path) -> None:
    """The reason for the longer graph: it shows that the test above can fail."""
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Sigmoid", ["z"], ["p"])],
        "sigmoid",
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, [3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    assert isinstance(model, onnx.ModelProto)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (probability,) = session.run(None, {"z": np.array(LOGITS, np.float32)})
    assert probability.tolist() == [0, 0, 0]
