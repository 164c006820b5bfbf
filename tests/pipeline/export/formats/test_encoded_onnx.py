"""The ONNX files of encoded models against the onnx package: its checker and its writer."""

import numpy as np
import onnx
import pytest
from light.bundle.graph.random_encodings import (
    EVERY_KIND,
    Model,
    category,
    number,
    random_column,
    random_model,
)
from onnx import TensorProto, helper, numpy_helper

from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.graph.encoded import encoded_graph
from serve_runtime.bundle.onnx_graph import write_graph, write_model
from serve_runtime.bundle.onnx_writer import Node, Value


def plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def made_node(node: Node) -> onnx.NodeProto:
    attributes = {name: plain(value) for name, value in node.attributes.items()}
    made = helper.make_node(
        node.operator, node.inputs, [node.output], domain=node.domain or None, **attributes
    )
    made.attribute.sort(key=lambda attribute: [*attributes].index(attribute.name))
    return made


def made_value(value: Value) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(value.name, value.type, value.shape)


def written_by_onnx(model: Model, layout: str) -> bytes:
    """The model as the onnx package writes it."""
    nodes, constants, inputs, outputs = encoded_graph(*model, layout)
    graph = helper.make_graph(
        [made_node(node) for node in nodes],
        f"logistic_regression_{layout}",
        [made_value(value) for value in inputs],
        [made_value(value) for value in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 13)]
    if any(node.domain for node in nodes):
        opsets.append(helper.make_opsetid("ai.onnx.ml", 2))
    made = helper.make_model(
        graph, opset_imports=opsets, ir_version=7, producer_name="serve-runtime"
    )
    content: bytes = made.SerializeToString(deterministic=True)
    return content


MODELS = {
    "every kind": EVERY_KIND,
    "categories": (category("a"), category("b", ("x" * 200, "é", " "))),
    "precise": (number("t", kind="precise"), number("u", kind="precise", missing="mean")),
    "gaps": tuple(number(f"x{i}", missing="indicator") for i in range(5)),
    "bent": (
        number("x", knots=(0.5,)),
        number("t", kind="precise", missing="mean", knots=tuple(map(float, range(9)))),
    ),
    "names": tuple(category(name) for name in ("numbers", "logit", "z", "level_0", "bias")),
    "many": tuple(random_column(np.random.default_rng(i), f"c{i}") for i in range(40)),
}


@pytest.mark.parametrize("layout", [ROWS, COLUMNS])
@pytest.mark.parametrize("columns", MODELS.values(), ids=MODELS)
def test_the_onnx_package_writes_the_same_bytes(columns: tuple[object, ...], layout: str) -> None:
    for centered in (False, True):
        model = random_model(np.random.default_rng(3), columns, centered=centered)
        content = write_model(model.affine, layout, model.encoding)
        onnx.checker.check_model(content, full_check=True)
        assert content == written_by_onnx(model, layout)


def test_the_graph_with_an_offset_is_valid_onnx() -> None:
    for columns in ((number("x"),), (category("c"),)):
        affine, _ = random_model(np.random.default_rng(3), columns)
        onnx.checker.check_model(write_graph(affine, COLUMNS, offset=True), full_check=True)


def test_types_are_those_of_onnx() -> None:
    inputs = encoded_graph(*random_model(np.random.default_rng(0), EVERY_KIND), ROWS).inputs
    kinds = [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.STRING, TensorProto.STRING]
    assert [value.type for value in inputs] == kinds
