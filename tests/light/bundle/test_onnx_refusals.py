"""Which model files are accepted: what export writes, and nothing else.

Evil files are made by changing fields of a good one; numbers are those of onnx/onnx.proto.
"""

import re
from dataclasses import replace

import numpy as np
import pytest

from light.bundle.edits import add, drop, edited, node, put, swap, tensor
from light.bundle.random_models import MODELS, random_affine
from serve_runtime import ArtifactError
from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.onnx_graph import read_graph, write_model
from serve_runtime.bundle.protobuf_wire import field

MODEL = MODELS[ROWS, False]

GRAPH = (7, 0)
GEMM, SUB, EXP, RESHAPE = ((1, i) for i in (0, 1, 3, 6))
WEIGHT, BIAS, MINUS_TWO, ONE, ONE_COLUMN = ((5, i) for i in (0, 1, 2, 4, 5))
TAKEN, LOGIT, PROBABILITY = (11, 0), (12, 0), (12, 1)
SHAPE = ((2, 0), (1, 0), (2, 0))


# What a model may not have, each by its message.


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ((), put(1, 8), "another ir_version than export writes: ir_version is 8, not 7"),
        ((), put(2, "pytorch"), "producer_name is 'pytorch', not 'serve-runtime'"),
        ((), drop(2), r"graph is there \(\d+ bytes\) in place of producer_name"),
        ((), add(3, "1", 2), r"producer_version is there \('1'\) in place of graph"),
        ((), add(14, field(1, "a") + field(2, "b")), r"metadata_props\[0\] is there"),
        ((), add(20, field(1, b"")), r"training_info\[0\] is there"),
        ((), add(25, field(1, "f")), r"another functions than .* functions\[0\] is there"),
        ((), add(99, 1), r"field_99 is there \(1\) in place of nothing"),
        ((), drop(8), r"opset_import\[0\] is missing"),
        ((), add(8, field(1, "com.microsoft") + field(2, 1)), r"opset_import\[1\] is there"),
        (((8, 0),), put(2, 14), r"another opset_import than .*: opset_import\[0\].version is 14"),
        (((8, 0),), put(1, "ai.onnx.ml"), r"opset_import\[0\].domain is 'ai.onnx.ml', not ''"),
        ((), drop(7), "another graph than export writes: there are 0 graphs, not 1"),
        ((), add(7, b""), "there are 2 graphs, not 1"),
        ((), put(7, 5), "there are 0 graphs, not 1"),
        ((GRAPH,), put(2, "main"), "graph.name is 'main', not 'logistic_regression_rows'"),
        ((GRAPH,), add(10, "hello"), r"graph.doc_string is there \('hello'\) in place of nothing"),
        ((GRAPH,), add(13, field(1, "z")), r"graph.value_info\[0\] is there"),
        ((GRAPH,), add(14, field(1, "z")), r"graph.quantization_annotation\[0\] is there"),
        ((GRAPH,), add(15, field(3, 2)), r"graph.sparse_initializer\[0\] is there"),
        ((GRAPH,), add(16, field(1, "a")), r"graph.metadata_props\[0\] is there"),
        ((GRAPH,), add(1, node("Identity"), 8), r"graph.node\[8\] is there .* in place of name"),
        ((GRAPH,), add(1, node("Identity")), r"graph.node\[8\] is there .* in place of nothing"),
        ((GRAPH,), add(1, node("PyOp"), 0), r"graph.node\[0\].input\[0\] is 'z', not 'weight'"),
        ((GRAPH,), drop(1, 2), r"graph.node\[2\].input\[0\] is 'negated', not 'shifted'"),
        ((GRAPH,), drop(1, 7), r"graph.name is there \('logistic_regression_rows'\) in place of n"),
        ((GRAPH,), swap(3, 4), r"graph.node\[3\].input\[0\] is 'exponential', not 'negated'"),
        ((GRAPH,), put(2, "logistic_regression_columns"), r"graph.node\[0\].input\[1\] is 'featu"),
        ((GRAPH,), add(5, tensor("spare", [1]), 9), r"initializer\[0\].* is 'spare', not|dims"),
        ((GRAPH,), add(5, tensor("weight", [[9, 9, 9]]), 15), r"graph.initializer\[6\] is there"),
        ((GRAPH,), add(5, tensor("center", [[9, 9, 9]]), 15), r"graph.node\[0\].input\[0\] is 'we"),
        ((GRAPH,), swap(9, 10), r"graph.initializer\[0\].dims\[1\]|initializer\[0\].data_type"),
        ((GRAPH,), add(11, field(1, "more"), 16), r"graph.input\[1\] is there"),
        ((GRAPH,), drop(11), r"graph.output\[0\] is there .* in place of input\[0\]"),
        ((GRAPH,), add(12, field(1, "z")), r"graph.output\[2\] is there"),
        ((GRAPH,), drop(12, 1), r"graph.output\[1\] is missing"),
        ((GRAPH, GEMM), put(4, "MatMul"), r"graph.node\[0\].op_type is 'MatMul', not 'Gemm'"),
        ((GRAPH, GEMM), add(3, "gemm", 4), r"node\[0\].name is there \('gemm'\) in place of op_t"),
        ((GRAPH, GEMM), add(6, "x"), r"graph.node\[0\].doc_string is there"),
        ((GRAPH, GEMM), add(7, "com.evil"), r"graph.node\[0\].domain is there \('com.evil'\)"),
        ((GRAPH, GEMM), add(8, "x"), r"graph.node\[0\].overload is there"),
        ((GRAPH, GEMM), drop(1, 2), r"graph.node\[0\].output\[0\] is there .* of input\[2\]"),
        ((GRAPH, GEMM), put(1, "one", 2), r"graph.node\[0\].input\[2\] is 'one', not 'bias'"),
        ((GRAPH, GEMM), put(2, "logit"), r"graph.node\[0\].output\[0\] is 'logit', not 'z'"),
        ((GRAPH, GEMM), drop(5), r"graph.node\[0\].attribute\[0\] is missing"),
        ((GRAPH, GEMM), add(5, field(1, "transA")), r"graph.node\[0\].attribute\[1\] is there"),
        ((GRAPH, GEMM, (5, 0)), put(3, 0), r"attribute\[0\].i is 0, not 1"),
        ((GRAPH, GEMM, (5, 0)), put(1, "alpha"), r"attribute\[0\].name is 'alpha', not 'transB'"),
        ((GRAPH, GEMM, (5, 0)), put(20, 5), r"attribute\[0\].type is 5, not 2"),
        ((GRAPH, GEMM, (5, 0)), add(6, field(2, "g"), 2), r"attribute\[0\].g is there .* of type"),
        ((GRAPH, GEMM, (5, 0)), add(11, field(2, "g"), 2), r"attribute\[0\].graphs\[0\] is there"),
        ((GRAPH, GEMM, (5, 0)), add(5, tensor("t", [1]), 2), r"attribute\[0\].t is there"),
        ((GRAPH, GEMM, (5, 0)), add(21, "x"), r"attribute\[0\].ref_attr_name is there"),
        ((GRAPH, SUB), swap(0, 1), r"graph.node\[1\].input\[0\] is 'z', not 'minus_two'"),
        ((GRAPH, EXP), put(4, "Sigmoid"), r"op_type is 'Sigmoid', not 'Exp'.*Sub, Gemm, Add, Exp"),
        ((GRAPH, EXP), put(4, "x" * 99), r"op_type is 'x{40}…', not 'Exp'"),
        ((GRAPH, EXP), put(4, "\x1b[2J"), r"op_type is 1b5b324a, not 'Exp'"),
        ((GRAPH, EXP), put(4, b"\xff" * 30), r"op_type is 30 bytes, not 'Exp'"),
        ((GRAPH, EXP), put(4, 3), r"op_type is 3, not 'Exp'"),
        ((GRAPH, EXP), add(5, field(1, "body") + field(6, b"")), r"node\[3\].attribute\[0\] is th"),
        ((GRAPH, RESHAPE), add(5, field(1, "allowzero")), r"node\[6\].attribute\[0\] is there"),
        ((GRAPH, WEIGHT), put(8, "w"), "weight has 0 bytes of raw_data, not 4"),
        ((GRAPH, WEIGHT), drop(9), "weight has 0 bytes of raw_data, not 4"),
        ((GRAPH, WEIGHT), put(9, b""), "weight has 0 bytes of raw_data, not 4"),
        ((GRAPH, WEIGHT), put(9, b"\0" * 13), "weight has 13 bytes of raw_data, not 12"),
        ((GRAPH, WEIGHT), put(9, b"\0" * 16), r"initializer\[0\].dims\[1\] is 3, not 4"),
        ((GRAPH, WEIGHT), put(1, 3, 0), r"initializer\[0\].dims\[0\] is 3, not 1"),
        ((GRAPH, WEIGHT), put(1, 1 << 62, 1), r"initializer\[0\].dims\[1\] is 4611686018427387904"),
        ((GRAPH, WEIGHT), add(1, 1, 0), r"initializer\[0\].dims\[1\] is 1, not 3"),
        ((GRAPH, WEIGHT), drop(1), r"initializer\[0\].dims\[0\] is 3, not 1"),
        ((GRAPH, WEIGHT), put(2, 6), r"initializer\[0\].data_type is 6, not 1"),
        ((GRAPH, WEIGHT), add(3, field(1, 0), 3), r"initializer\[0\].segment is there"),
        ((GRAPH, WEIGHT), add(4, b"\0" * 12, 3), r"initializer\[0\].float_data is there"),
        ((GRAPH, WEIGHT), add(9, b"\0" * 12), r"initializer\[0\].raw_data is there"),
        ((GRAPH, WEIGHT), add(12, "x"), r"initializer\[0\].doc_string is there"),
        ((GRAPH, WEIGHT), add(13, field(1, "location") + field(2, "/etc/passwd")),
         r"graph.initializer\[0\].external_data\[0\] is there"),
        ((GRAPH, WEIGHT), add(14, 1), r"graph.initializer\[0\].data_location is there \(1\)"),
        ((GRAPH, BIAS), put(9, b"\0" * 8), "bias has 8 bytes of raw_data, not 4"),
        ((GRAPH, BIAS), drop(9), "bias has 0 bytes of raw_data, not 4"),
        ((GRAPH, MINUS_TWO), put(9, np.float32(2).tobytes()), "raw_data is 00000040, not 000000c0"),
        ((GRAPH, ONE), put(9, b"\0" * 4), r"initializer\[4\].raw_data is 00000000, not 0000803f"),
        ((GRAPH, ONE), add(1, 1, 0), r"initializer\[4\].dims\[2\] is there \(1\) in place of data"),
        ((GRAPH, ONE_COLUMN), put(9, b"\1" + b"\0" * 15), r"raw_data is 01.*, not ff"),
        ((GRAPH, ONE_COLUMN), put(2, 1), r"initializer\[5\].data_type is 1, not 7"),
        ((GRAPH, TAKEN), put(1, "rows"), r"graph.input\[0\].name is 'rows', not 'features'"),
        ((GRAPH, TAKEN), drop(2), r"graph.input\[0\].type is missing"),
        ((GRAPH, TAKEN, (2, 0)), put(1, 5), r"graph.input\[0\].type.tensor_type is 5"),
        ((GRAPH, TAKEN, (2, 0)), add(4, b"", 0), r"graph.input\[0\].type.field_4 is there"),
        ((GRAPH, TAKEN, *SHAPE[:2]), put(1, 11), r"input\[0\].type.tensor_type.elem_type is 11"),
        ((GRAPH, TAKEN, *SHAPE[:2]), drop(2), r"input\[0\].type.tensor_type.shape is missing"),
        ((GRAPH, TAKEN, *SHAPE), add(1, field(1, 1)), r"type.tensor_type.shape.dim\[2\] is there"),
        ((GRAPH, TAKEN, *SHAPE), swap(0, 1), r"shape.dim\[0\].dim_value is there \(3\) in place"),
        ((GRAPH, TAKEN, *SHAPE, (1, 0)), put(2, "n"), r"dim\[0\].dim_param is 'n', not 'batch'"),
        ((GRAPH, TAKEN, *SHAPE, (1, 1)), put(1, 4), r"graph.input\[0\].*dim_value is 4, not 3"),
        ((GRAPH, LOGIT), put(1, "z"), r"graph.output\[0\].name is 'z', not 'logit'"),
        ((GRAPH, PROBABILITY, *SHAPE, (1, 1)), put(1, 2), r"graph.output\[1\].*dim_value is 2"),
    ],
)  # fmt: skip
def test_a_model_that_export_does_not_write_is_refused(path, change, message):
    evil = edited(MODEL, change, *path)
    assert evil != MODEL
    with pytest.raises(ArtifactError, match=message) as caught:
        read_graph(evil, "model.onnx")
    text = str(caught.value)
    assert re.match(r"model\.onnx holds another \w+ than export writes: ", text)
    assert text.isprintable()
    assert len(text) < 500


def test_the_edits_change_nothing_by_themselves():
    assert edited(MODEL, lambda parts: None, GRAPH, TAKEN, *SHAPE, (1, 1)) == MODEL


@pytest.mark.parametrize("layout", [ROWS, COLUMNS])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(9, b"\0" * 8), "center has 8 bytes of raw_data, not 12"),
        (put(9, b"\0" * 16), "center has 16 bytes of raw_data, not 12"),
        (swap(0, 1), r"initializer\[5\].dims\[0\] is \d, not \d"),
        (put(8, "middle"), r"graph.node\[0\].input\[0\] is '(features|columns)', not 'weight'"),
    ],
)
def test_a_centre_of_another_shape_is_refused(layout, change, message):
    with pytest.raises(ArtifactError, match=message):
        read_graph(edited(MODELS[layout, True], change, GRAPH, (5, 5)), "model.onnx")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("name", "index"), [("weight", 2), ("bias", 0), ("center", 1)])
def test_a_constant_that_is_not_finite_is_refused(name, index, value):
    affine = random_affine(centered=True)
    values = np.array(np.atleast_1d(getattr(affine, name)))
    values[index] = value
    affine = replace(affine, **{name: values[0] if name == "bias" else values})
    with pytest.raises(ArtifactError, match=f"value {index} of {name} is not finite"):
        read_graph(write_model(affine, ROWS), "model.onnx")


def test_a_layout_that_contradicts_its_graph_is_refused():
    for (layout, _), model in MODELS.items():
        other = {ROWS: COLUMNS, COLUMNS: ROWS}[layout]
        name = f"logistic_regression_{other}"
        with pytest.raises(ArtifactError, match=r"than export writes: graph.n"):
            read_graph(edited(model, put(2, name), GRAPH), "model.onnx")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x88\x00" + MODEL[1:], "encoding differs, though all fields"),
        (MODEL[:1] + b"\x87\x00" + MODEL[2:], "encoding differs, though all fields"),
        (field(8, field(1, "") + field(2, 13)) + MODEL, "opset_import.0. is there"),
        (MODEL + MODEL, "there are 2 graphs, not 1"),
        (MODEL + field(7, field(5, tensor("weight", [[9, 9, 9]]))), "there are 2 graphs, not 1"),
        (MODEL + field(1, 7), r"ir_version is there \(7\) in place of nothing"),
    ],
)
def test_the_same_model_in_other_bytes_is_refused(content, message):
    """Readers differ in what they make of repeated fields; this way there is nothing to make."""
    with pytest.raises(ArtifactError, match=f"holds another .* than export writes: .*{message}"):
        read_graph(content, "model.onnx")
