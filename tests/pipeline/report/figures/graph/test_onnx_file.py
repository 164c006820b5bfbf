"""The drawing of an ONNX file has its nodes, as they are."""

import re

import numpy as np
import onnx
import pytest
from markupsafe import escape

from benchmarks.harness.random_run import random_mixed
from report.figures.graph.onnx_file import Node, OnnxGraph, Tensor, draw_graph, read_graph
from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.onnx_graph import write_model

LAYOUTS = (ROWS, COLUMNS)
PLAIN = Affine(np.array([1, -2, 3], np.float32), 0.5)


def mixed(layout: str, numbers: int = 3, categories: int = 3) -> bytes:
    trained, _, _ = random_mixed(numbers, 2, categories, bent=(0, 1))
    return write_model(trained.affine(), layout, trained.encoding())


def test_a_known_file_has_known_nodes() -> None:
    graph = read_graph(write_model(PLAIN, COLUMNS))
    assert graph.inputs == (Tensor("columns", "3 × n"),)
    assert graph.outputs == (Tensor("logit", "1 × n"), Tensor("probability", "1 × n"))
    assert graph.operators == ("Gemm", "Sub", "Add", "Exp", "Div")
    assert graph.nodes[:2] == (
        Node(
            "Gemm",
            ("columns",),
            (Tensor("weight", "1 × 3"), Tensor("bias", "1")),
            Tensor("logit", "1 × n"),
        ),
        Node("Sub", ("logit",), (Tensor("minus_two", "1 × 1"),), Tensor("shifted", "1 × n")),
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("center", [None, np.ones(3, np.float32)])
def test_a_numeric_file_is_drawn_node_by_node(layout: str, center: np.ndarray | None) -> None:
    content = write_model(Affine(PLAIN.weight, 0.5, center), layout)
    text = draw_graph("k", "t", read_graph(content))
    for node in onnx.load_model_from_string(content).graph.node:
        assert f">{node.op_type}<" in text
    assert counted(text) == len(onnx.load_model_from_string(content).graph.node)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("numbers", "categories"), [(3, 3), (0, 0), (1, 40), (40, 1)])
def test_no_node_of_a_mixed_file_is_lost(layout: str, numbers: int, categories: int) -> None:
    content = mixed(layout, max(numbers, 2), categories)
    nodes = onnx.load_model_from_string(content).graph.node
    text = draw_graph("k", "t", read_graph(content))
    assert {node.op_type for node in nodes} == {*boxes(text)}
    assert counted(text) == len(nodes)
    width = re.search(r'viewBox="0 0 (\d+)', text)
    assert width
    assert int(width.group(1)) <= 520


def test_shapes_are_those_that_onnx_infers() -> None:
    content = mixed("rows")
    inferred = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(content))
    found = {node.gives.name: node.gives.shape for node in read_graph(content).nodes}
    compared = 0
    for value in inferred.graph.value_info:
        dimensions = value.type.tensor_type.shape.dim
        if dimensions and not any(d.dim_param.startswith("unk") for d in dimensions):
            assert found[value.name] == " × ".join(
                str(d.dim_value) if d.HasField("dim_value") else "n" for d in dimensions
            )
            compared += 1
    assert compared > 10


def test_names_of_columns_are_data() -> None:
    odd = '<img src=x onerror="alert(1)">'
    graph = OnnxGraph(
        (Tensor(odd, "n × 1"),),
        (Node("Exp", (odd,), (Tensor("\u202ew", "1"),), Tensor(odd + "y", "n × 1")),),
        (Tensor(odd + "y", "n × 1"),),
    )
    text = draw_graph("k", "t", graph)
    assert "<img" not in text
    assert "\u202e" not in text
    assert str(escape(odd[:27])) in text


def test_alike_is_what_does_the_same_for_the_same() -> None:
    """Two Gathers of one reader that read different things are two boxes."""
    text = draw_graph("k", "t", read_graph(mixed("rows")))
    assert "Gather × 2<" in text  # the two curves
    for constants in ("origin_rows", "bent_rows", "slope_rows", "value_rows"):
        assert f">{constants} 2<" in text


def boxes(text: str) -> dict[str, int]:
    """The drawn operators, and how many nodes each stands for."""
    found: dict[str, int] = {}
    for title in re.findall(r'font-weight="600">([A-Z]\w+(?: × [\d,]+)?)<', text):
        operator, _, count = title.partition(" × ")
        found[operator] = found.get(operator, 0) + int(count.replace(",", "") or 1)
    return found


def counted(text: str) -> int:
    return sum(boxes(text).values())
