"""Forged bundles: digests, card, golden rows, certificate and manifest are re-made to match.

Only what the models compute, and the nodes of the graphs, can still tell. Files of other graphs are
refused before anything is scored; with that check out of the way, the proof notices by itself.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from export.errors import ParityError
from export.verify import verify_bundle
from pipeline.export.bundle_files import forge, only, recertify, write_models
from serve_runtime import ArtifactError
from serve_runtime.bundle import model_file, onnx_graph

LAYOUTS = ("rows", "columns")


def node(model: onnx.ModelProto, kind: str) -> onnx.NodeProto:
    (found,) = (one for one in model.graph.node if one.op_type == kind)
    return found


def test_a_forgery_that_changes_nothing_is_accepted(bundle: Path, centered: Path) -> None:
    """The undamaged counterpart of every test below."""
    for folder in (bundle, centered):
        forge(folder, lambda model, layout: None)
        verify_bundle(folder)


# Graphs that score otherwise.


def own_sigmoid(model: onnx.ModelProto) -> None:
    """ONNX's Sigmoid in place of what export writes."""
    logit, result = node(model, "Gemm").output[0], "probability"
    for one in model.graph.node:
        if one.op_type == "Reshape" and one.output[0] == result:
            result = one.input[0]
    nodes = [one for one in model.graph.node if one.op_type in ("Gemm", "Reshape")]
    nodes.insert(1, helper.make_node("Sigmoid", [logit], [result]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def subtraction(model: onnx.ModelProto) -> onnx.NodeProto:
    (found,) = (one for one in model.graph.node if "center" in one.input)
    return found


def exchanged_terms(model: onnx.ModelProto) -> None:
    """centre - x in place of x - centre."""
    sub = subtraction(model)
    sub.input[0], sub.input[1] = sub.input[1], sub.input[0]


def another_center(model: onnx.ModelProto) -> None:
    """A centre under the name that is read, and another under the one that is subtracted."""
    (center,) = (one for one in model.graph.initializer if one.name == "center")
    values = np.nextafter(numpy_helper.to_array(center), np.float32(np.inf))
    model.graph.initializer.append(numpy_helper.from_array(values, "other"))
    subtraction(model).input[1] = "other"


def dropped_center(model: onnx.ModelProto) -> None:
    """The centre is there, and nothing subtracts it."""
    model.graph.node.remove(subtraction(model))
    node(model, "Gemm").input[1] = model.graph.input[0].name


def dropped_bias(model: onnx.ModelProto) -> None:
    """The bias is there, and nothing adds it."""
    node(model, "Gemm").input.pop()


def swapped_weights(model: onnx.ModelProto) -> None:
    """The weights are there, and the Gemm takes others."""
    weight = next(one for one in model.graph.initializer if one.name == "weight")
    values = numpy_helper.to_array(weight)[:, [1, 0, 2, 3, 4]]
    model.graph.initializer.append(numpy_helper.from_array(values, "other"))
    node(model, "Gemm").input[0] = "other"


def batch_sum(model: onnx.ModelProto) -> None:
    """Adds 0 times the sum of all logits: nothing, unless a neighbour is NaN."""
    gemm = node(model, "Gemm")
    logit, gemm.output[0] = gemm.output[0], "own"
    nodes = [
        helper.make_node("ReduceSum", ["own"], ["total"], keepdims=1),
        helper.make_node("Mul", ["total", "zero"], ["nothing"]),
        helper.make_node("Add", ["own", "nothing"], [logit]),
    ]
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "zero"))
    at = list(model.graph.node).index(gemm) + 1
    for i, one in enumerate(nodes):
        model.graph.node.insert(at + i, one)


OTHERWISE = (own_sigmoid, dropped_bias, swapped_weights, batch_sum)
WRONG_CENTRES = (exchanged_terms, another_center, dropped_center)


@contextmanager
def unchecked_graphs() -> Iterator[None]:
    """Files are read for the constants in them, whatever their graph does with these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_file, "read_graph", onnx_graph._read_constants)
        yield


def write_evil(bundle: Path, layout: str, edit: Callable[[onnx.ModelProto], object]) -> None:
    """Change one graph, and make all that could tell of it fit."""
    with unchecked_graphs():
        write_models(bundle, edit=only(layout, edit))
        recertify(bundle)


@pytest.mark.parametrize("edit", [*OTHERWISE, *WRONG_CENTRES])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_scores_notice_a_graph_that_ignores_its_values(
    bundle: Path, centered: Path, layout: str, edit: Callable[[onnx.ModelProto], object]
) -> None:
    folder = centered if edit in WRONG_CENTRES else bundle
    write_evil(folder, layout, edit)
    name = rf"(onnxruntime|onnx reference), {layout}"
    with unchecked_graphs(), pytest.raises(ParityError, match=rf"^{name}\b.*, row \d+: "):
        verify_bundle(folder)


# Graphs that score alike, and are others.


def spare_node(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Abs", ["logit"], ["unused"]))


def transposed_weight(model: onnx.ModelProto) -> None:
    weight = next(one for one in model.graph.initializer if one.name == "weight")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).T.copy(), "weight"))
    node(model, "Gemm").attribute.append(helper.make_attribute("transA", 1))


def half_bias(model: onnx.ModelProto) -> None:
    """The bias as a float32 that the graph casts to float64 and back."""
    gemm = node(model, "Gemm")
    gemm.input[2] = "narrow"
    model.graph.node.insert(0, helper.make_node("Cast", ["wide"], ["narrow"], to=1))
    model.graph.node.insert(0, helper.make_node("Cast", ["bias"], ["wide"], to=11))


def another_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 14


def another_domain(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def another_ir(model: onnx.ModelProto) -> None:
    model.ir_version = 8


def a_function(model: onnx.ModelProto) -> None:
    model.ir_version = 7
    model.functions.append(
        helper.make_function(
            "ours", "Same", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])],
            [helper.make_opsetid("", 13)],
        )
    )  # fmt: skip


def spare_constant(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.ones(3, np.float32), "spare"))


def remark(model: onnx.ModelProto) -> None:
    model.graph.doc_string = "hello"


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        *((edit, "graph") for edit in (*OTHERWISE, *WRONG_CENTRES)),
        (spare_node, "graph"),
        (transposed_weight, "graph"),
        (half_bias, "graph"),
        (spare_constant, "graph"),
        (remark, "graph"),
        (another_opset, "opset_import"),
        (another_domain, "opset_import"),
        (another_ir, "ir_version"),
        (a_function, "functions"),
    ],
)
@pytest.mark.parametrize(
    ("layout", "name"), [("rows", "model.onnx"), ("columns", "model.columnar.onnx")]
)
def test_a_graph_of_another_kind_is_refused_however_it_scores(
    bundle: Path,
    centered: Path,
    layout: str,
    name: str,
    edit: Callable[[onnx.ModelProto], object],
    what: str,
) -> None:
    folder = centered if edit in WRONG_CENTRES else bundle
    write_evil(folder, layout, edit)
    with pytest.raises(ArtifactError, match=f"{name} holds another {what} than export writes"):
        verify_bundle(folder)
