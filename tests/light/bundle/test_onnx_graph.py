"""What is written is read again, and scores in onnxruntime to the bits of the file."""

import numpy as np
import onnxruntime as ort
import pytest

from light.bundle.random_models import MODELS, random_affine
from light.helpers import assert_same_bits
from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.onnx_graph import (
    nodes,
    read_graph,
    write_graph,
    write_model,
    write_sigmoid,
)
from serve_runtime.bundle.protobuf_wire import fields


@pytest.mark.parametrize(("layout", "centered"), MODELS)
@pytest.mark.parametrize("width", [1, 2, 31, 1000])
def test_what_is_written_is_read_again(layout, centered, width):
    affine = random_affine(width, centered=centered)
    found_layout, found = read_graph(write_model(affine, layout), "model.onnx")
    assert found_layout == layout
    assert_same_bits(found.weight, affine.weight)
    assert found.bias == affine.bias
    assert (found.center is not None) == centered
    if centered:
        assert_same_bits(found.center, affine.center)


@pytest.mark.parametrize("values", [[-0.0, 0.0], [1e-45, -1e-45], [3.4e38, -3.4e38]])
def test_constants_keep_their_bits_at_the_ends_of_float32(values):
    weight = np.array(values, np.float32)
    _, found = read_graph(write_model(Affine(weight, -0.0, weight), ROWS), "model.onnx")
    assert_same_bits(found.weight, weight)
    assert_same_bits(found.center, weight)
    assert np.signbit(found.bias)


def test_a_million_features_are_read():
    affine = random_affine(1_000_000, centered=True)
    _, found = read_graph(write_model(affine, ROWS), "model.onnx")
    assert found.sha256() == affine.sha256()


# What onnxruntime is given.


def run(content, **taken):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return [answer.reshape(-1) for answer in session.run(None, taken)]


@pytest.mark.parametrize("width", [*range(1, 71), 1000])
@pytest.mark.parametrize(("layout", "centered"), MODELS)
def test_the_graph_that_runs_has_the_bits_of_the_file(layout, centered, width):
    affine = random_affine(width, centered=centered, seed=width)
    _, read = read_graph(write_model(affine, layout), "model.onnx")
    rows = 3 * np.random.default_rng(width).normal(size=(36, width)).astype(np.float32)
    for batch in (1, 3, 4, 36):
        block = rows[:batch] if layout == ROWS else np.ascontiguousarray(rows[:batch].T)
        taken = {"features" if layout == ROWS else "columns": block}
        for found, expected in zip(
            run(write_graph(read, layout), **taken),
            run(write_model(affine, layout), **taken),
            strict=True,
        ):
            assert_same_bits(found, expected)


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("width", [1, 6, 300])
def test_a_constant_offset_has_the_bits_of_the_bias(centered, width):
    affine = random_affine(width, centered=centered, seed=width)
    columns = 3 * np.random.default_rng(width).normal(size=(width, 36)).astype(np.float32)
    offset = np.full((1, 36), affine.bias, np.float32)
    for batch in (4, 36):
        taken = {"columns": np.ascontiguousarray(columns[:, :batch])}
        found = run(write_graph(affine, COLUMNS, offset=True), **taken, offset=offset[:, :batch])
        for score, expected in zip(found, run(write_graph(affine, COLUMNS), **taken), strict=True):
            assert_same_bits(score, expected)


def test_without_numbers_the_offset_is_the_logit():
    none = Affine(np.empty(0, np.float32), 5.0)
    offset = np.array([[-0.0, 1e-45, 1, -3.4e38]], np.float32)
    logit, probability = run(write_graph(none, COLUMNS, offset=True), offset=offset)
    assert_same_bits(logit, offset[0])
    (expected,) = run(write_sigmoid(), logit=offset[0])
    assert_same_bits(probability, expected)


def test_the_sigmoid_alone_has_the_bits_of_the_whole_graph():
    identity = Affine(np.ones(1, np.float32), 0.0)
    logit = np.linspace(-110, 110, 100_001, dtype=np.float32)
    _, expected = run(write_model(identity, COLUMNS), columns=logit[None])
    (found,) = run(write_sigmoid(), logit=logit)
    assert_same_bits(found, expected)


def test_shapes_of_what_onnxruntime_is_given():
    shapes = {}
    for name, content in {
        "rows": write_graph(random_affine(5), ROWS),
        "columns": write_graph(random_affine(5), COLUMNS),
        "offset": write_graph(random_affine(5), COLUMNS, offset=True),
        "sigmoid": write_sigmoid(),
    }.items():
        session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
        shapes[name] = {v.name: v.shape for v in session.get_inputs() + session.get_outputs()}
    scores = {"logit": [1, "batch"], "probability": [1, "batch"]}
    assert shapes == {
        "rows": {"features": ["batch", 5], **scores},
        "columns": {"columns": [5, "batch"], **scores},
        "offset": {"columns": [5, "batch"], "offset": [1, "batch"], **scores},
        "sigmoid": {"logit": ["batch"], "probability": ["batch"]},
    }


def test_the_template_names_every_node_of_a_file():
    assert [node.operator for node in nodes(COLUMNS, centered=True)] == [
        "Sub", "Gemm", "Sub", "Add", "Exp", "Add", "Div",
    ]  # fmt: skip
    for (layout, centered), model in MODELS.items():
        graph = next(value for number, value, _ in fields(model) if number == 7)
        found = [
            next(bytes(v).decode() for n, v, _ in fields(value) if n == 4)
            for number, value, _ in fields(graph)
            if number == 1
        ]
        assert found == [node.operator for node in nodes(layout, centered=centered)]
