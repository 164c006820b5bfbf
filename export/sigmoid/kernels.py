"""The sigmoids that `python -m export sigmoid` can try: each takes one feature, which is the logit.

The exported ones are whole graphs and modules, with weight 1 and bias 0, so that their logit,
1·x + 0, is the feature x itself.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from export.formats import onnx_model, torchscript
from export.formats.artifact import Score, Scores
from export.formats.onnxruntime_scorer import onnx_score, session
from export.formats.torch_values import torch_score
from export.sigmoid.spans import IDENTITY
from serve_runtime.arrays import COLUMNS, ROWS, Float32
from serve_runtime.bundle import onnx_writer
from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.column import number_columns


def exported_graph(layout: str) -> Score:
    """The ONNX graph that export writes for `layout`, in onnxruntime; one thread a call."""
    return onnx_score(onnx_model.checked_graph(IDENTITY, layout), layout)


def exported_torchscript() -> Score:
    """The TorchScript archive that export writes, loaded from a file."""
    card = ModelCard(number_columns(("logit",), (-104.0,), (104.0,)), (0, 1), IDENTITY.sha256())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "identity.pt"
        path.write_bytes(torchscript.build(IDENTITY, card))
        return torchscript.load(path).score


def eager_torch() -> Score:
    """torch.sigmoid."""
    return torch_score(lambda rows: (rows, torch.sigmoid(rows)))


def onnx_sigmoid() -> Score:
    """ONNX's own Sigmoid in onnxruntime: the graph that export does not write."""
    return _graph([helper.make_node("Sigmoid", ["logit"], ["probability"])])


def plain_negation() -> Score:
    """1 / (1 + Exp(Neg(logit))) in onnxruntime: the exported graph, had it a plain negation."""
    return _graph([
        helper.make_node("Neg", ["logit"], ["negated"]),
        helper.make_node("Exp", ["negated"], ["exponential"]),
        helper.make_node("Add", ["exponential", "one"], ["denominator"]),
        helper.make_node("Div", ["one", "denominator"], ["probability"]),
    ])  # fmt: skip


def _graph(nodes: Sequence[onnx.NodeProto]) -> Score:
    """Score by a graph of `nodes` from logit (n,) to probability (n,), in onnxruntime."""
    taken, given = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch"])
        for name in ("logit", "probability")
    )
    used = any("one" in node.input for node in nodes)
    ones = [numpy_helper.from_array(np.array(1, np.float32), "one")] if used else []
    model = helper.make_model(
        helper.make_graph(nodes, "sigmoid", [taken], [given], ones),
        opset_imports=[helper.make_opsetid("", onnx_writer.OPSET)],
        ir_version=onnx_writer.IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    run = session(model.SerializeToString()).run

    def score(rows: Float32) -> Scores:
        logit = rows.reshape(-1)
        return logit, run(None, {"logit": logit})[0]

    return score


KERNELS: Final[Mapping[str, Callable[[], Score]]] = {
    "exported": partial(exported_graph, COLUMNS),
    "exported-rows": partial(exported_graph, ROWS),
    "torchscript": exported_torchscript,
    "torch": eager_torch,
    "plain-negation": plain_negation,
    "onnx-sigmoid": onnx_sigmoid,
}

REQUIRED: Final = ("exported", "exported-rows")
"""The kernels that must be proven; the others are there to compare."""
