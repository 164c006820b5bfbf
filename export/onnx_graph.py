"""The ONNX graphs, built node by node: opset 13 and IR 7, so that old runtimes load them.

Rows: features [batch, d] -> logit, probability [batch, 1], as Gemm(W, featuresᵀ): the weights are
the left operand, since onnxruntime's Gemm(features, Wᵀ) is slower. Columns: columns [d, batch] ->
[1, batch], as Gemm(W, columns), which reads Arrow columns as they lie.

The sigmoid is Neg, Exp, Add, Reciprocal. onnxruntime's own Sigmoid returns exact zeros below a
logit of about -18 and is off by thousands of ULP before that.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from export.artifact import Artifact, Score
from serve_runtime.artifact import COLUMNS, MODEL_FILES, ROWS, ModelFile, parse_model, read_bytes
from serve_runtime.budgets import Float32
from serve_runtime.card import CARD_KEY, ModelCard
from serve_runtime.errors import ArtifactError

OPSET = 13
IR_VERSION = 7


def build(weight: Float32, bias: float, layout: str) -> bytes:
    """The serialized model for `layout` (ROWS or COLUMNS), card not included."""
    width, rows = len(weight), layout == ROWS
    taken = "features" if rows else "columns"
    logit, probability = ("z", "p") if rows else ("logit", "probability")
    nodes = [
        helper.make_node("Gemm", ["weight", taken, "bias"], [logit], transB=int(rows)),
        helper.make_node("Neg", [logit], ["negated"]),
        helper.make_node("Exp", ["negated"], ["exponential"]),
        helper.make_node("Add", ["exponential", "one"], ["denominator"]),
        helper.make_node("Reciprocal", ["denominator"], [probability]),
    ]  # fmt: skip
    constants = {
        "weight": weight.reshape(1, width),
        "bias": np.array([bias], np.float32),
        "one": np.array(1, np.float32),
    }
    if rows:
        nodes += [
            helper.make_node("Reshape", [source, "one_column"], [result])
            for source, result in ((logit, "logit"), (probability, "probability"))
        ]
        constants["one_column"] = np.array([-1, 1], np.int64)
    graph = helper.make_graph(
        nodes,
        f"logistic_regression_{layout}",
        [_tensor(taken, "batch", width) if rows else _tensor(taken, width, "batch")],
        [
            _tensor(name, "batch", 1) if rows else _tensor(name, 1, "batch")
            for name in ("logit", "probability")
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="serve-runtime",
    )
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def add_card(model: bytes, card: ModelCard) -> bytes:
    """The model with its card; the bytes of the model itself stay as they are.

    Concatenated protobuf messages are one message with the fields of both (protobuf.dev,
    "Encoding", last-one-wins), so the card is appended, not merged.
    """
    metadata = onnx.ModelProto()
    metadata.metadata_props.add(key=CARD_KEY, value=card.to_json())
    content: bytes = model + metadata.SerializeToString(deterministic=True)
    return content


def load(path: Path) -> Artifact:
    """Open an ONNX file of ours. Raises ArtifactError or CardError where it is not intact."""
    file = parse_model(path, read_bytes(path))
    if MODEL_FILES[file.layout] != path.name:
        raise ArtifactError(f"{path} holds the {file.layout} graph: it was exchanged or renamed")
    constants = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.load_from_string(file.content).graph.initializer
    }
    try:
        weight, bias, score = constants["weight"], constants["bias"], _scorer(file)
    except Exception as reason:  # onnxruntime's exceptions share no narrower base
        raise ArtifactError(f"{path} holds no graph of this project: {reason}") from None
    return Artifact(path.name, file.card.to_json(), weight.reshape(-1), bias, score)


def check_graph(path: Path, weight: Float32, bias: float, layout: str) -> None:
    """Raise ArtifactError unless the graph in the file is, node by node, the one `build` makes."""
    found = onnx.load_from_string(read_bytes(path)).graph
    if found != onnx.load_from_string(build(weight, bias, layout)).graph:
        raise ArtifactError(f"{path} holds another graph than export writes for its weights")


def _scorer(file: ModelFile) -> Score:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(file.content, options, providers=["CPUExecutionProvider"])

    def score(rows: Float32) -> tuple[Float32, Float32]:
        if file.layout == COLUMNS:
            logit, probability = session.run(None, {"columns": np.ascontiguousarray(rows.T)})
        else:
            logit, probability = session.run(None, {"features": rows})
        return logit.reshape(-1), probability.reshape(-1)

    return score


def _tensor(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
