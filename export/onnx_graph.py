"""The ONNX graphs, built node by node: opset 13 and IR 7, so that old runtimes load them.

Rows: features [batch, d] -> logit, probability [batch, 1], as Gemm(W, featuresᵀ): the weights are
the left operand, since onnxruntime's Gemm(features, Wᵀ) is slower. Columns: columns [d, batch] ->
[1, batch], as Gemm(W, columns), which reads Arrow columns as they lie.

Where the weights have a centre, a Sub before the Gemm takes it off (see export.folding).

The sigmoid is spelled out as 1 / (1 + exp(-logit)): onnxruntime's own Sigmoid returns exact zeros
below a logit of about -18, is off by thousands of ULP before that, falls while the logit rises, and
leaves [0, 1] (docs/parity.md). The negation goes by way of -2 - logit, then + 2, which rounds
positive logits to the spacing of logit + 2 (2⁻²² below 2) and negative ones above -1 to multiples
of 2⁻²³, and is exact below: the probability moves by half a unit in its last place at most. With a
plain negation it is not monotone: onnxruntime's float32 Exp wavers by a unit between arguments of
-0.25 and -0.03, where float32 logits lie closer together than its results.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.artifact import Artifact
from export.runtime import scorer
from serve_runtime.artifact import MODEL_FILES, ROWS, parse_model, read_bytes
from serve_runtime.card import CARD_KEY, ModelCard
from serve_runtime.errors import ArtifactError
from train.affine import Affine

OPSET = 13
IR_VERSION = 7


def build(affine: Affine, layout: str) -> bytes:
    """The serialized model for `layout` (ROWS or COLUMNS), card not included."""
    width, rows = len(affine.weight), layout == ROWS
    taken = "features" if rows else "columns"
    logit, probability = ("z", "p") if rows else ("logit", "probability")
    constants = {
        "weight": affine.weight.reshape(1, width),
        "bias": np.array([affine.bias], np.float32),
        "minus_two": np.array(-2, np.float32),
        "two": np.array(2, np.float32),
        "one": np.array(1, np.float32),
    }
    nodes, multiplied = [], taken
    if affine.center is not None:
        constants["center"] = affine.center.reshape((1, width) if rows else (width, 1))
        multiplied = "centered"
        nodes.append(helper.make_node("Sub", [taken, "center"], [multiplied]))
    nodes += [
        helper.make_node("Gemm", ["weight", multiplied, "bias"], [logit], transB=int(rows)),
        helper.make_node("Sub", ["minus_two", logit], ["shifted"]),
        helper.make_node("Add", ["shifted", "two"], ["negated"]),
        helper.make_node("Exp", ["negated"], ["exponential"]),
        helper.make_node("Add", ["exponential", "one"], ["denominator"]),
        helper.make_node("Reciprocal", ["denominator"], [probability]),
    ]
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
        center = constants["center"].reshape(-1) if "center" in constants else None
        affine = Affine(constants["weight"].reshape(-1), float(constants["bias"][0]), center)
        score = scorer(file.content, file.layout)
    except Exception as reason:  # onnxruntime's exceptions share no narrower base
        raise ArtifactError(f"{path} holds no graph of this project: {reason}") from None
    return Artifact(path.name, file.card.to_json(), affine, score)


def check_graph(path: Path, affine: Affine, layout: str) -> None:
    """Raise ArtifactError unless the model in the file is, node by node, the one `build` makes."""
    found, made = (
        onnx.load_from_string(content) for content in (read_bytes(path), build(affine, layout))
    )
    del found.metadata_props[:]  # the card
    if found != made:
        names = [field.name for field in found.DESCRIPTOR.fields]
        different = [name for name in names if getattr(found, name) != getattr(made, name)]
        raise ArtifactError(
            f"{path} holds another {', '.join(different)} than export writes for its weights"
        )


def _tensor(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
