"""The ONNX files against the onnx package: the same bytes from its writer, and evil ones refused.

tests/light/bundle/test_onnx_graph.py has the refusals field by field, and runs without onnx.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.formats import onnx_model
from export.formats.onnx_model import OnnxFile
from export.verify import verify_bundle
from pipeline.export.bundle_files import card_of, reseal
from serve_runtime import ArtifactError, Predictor
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.manifest import FileEntry
from serve_runtime.bundle.model_file import MODEL_FILES, parse_model
from serve_runtime.bundle.onnx_graph import nodes, read_graph, write_graph, write_sigmoid

LAYOUTS = tuple(MODEL_FILES)


def random_affine(width: int, centered: bool) -> Affine:
    rng = np.random.default_rng(width)
    weight, center = rng.normal(size=(2, width)).astype(np.float32)
    return Affine(weight, 0.375, center if centered else None)


def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def written_by_onnx(affine: Affine, layout: str) -> bytes:
    """The model as the onnx package writes it."""
    width, rows = len(affine.weight), layout == "rows"
    taken = "features" if rows else "columns"
    constants = {
        "weight": affine.weight.reshape(1, width),
        "bias": np.array([affine.bias], np.float32),
        "minus_two": np.array([[-2]], np.float32),
        "two": np.array([[2]], np.float32),
        "one": np.array([[1]], np.float32),
    }
    if affine.center is not None:
        constants["center"] = affine.center.reshape((1, width) if rows else (width, 1))
    if rows:
        constants["one_column"] = np.array([-1, 1], np.int64)
    graph = helper.make_graph(
        [
            helper.make_node(node.operator, node.inputs, [node.output], **node.attributes)
            for node in nodes(layout, centered=affine.center is not None)
        ],
        f"logistic_regression_{layout}",
        [value(taken, "batch", width) if rows else value(taken, width, "batch")],
        [
            value(name, "batch", 1) if rows else value(name, 1, "batch")
            for name in ("logit", "probability")
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=7,
        producer_name="serve-runtime",
    )
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("width", [1, 2, 127, 128, 1000, 40_000])
def test_the_onnx_package_writes_the_same_bytes(layout: str, centered: bool, width: int) -> None:
    affine = random_affine(width, centered)
    content = onnx_model.checked_graph(affine, layout)
    assert content == written_by_onnx(affine, layout)
    found, held = read_graph(content, "model.onnx")
    assert (found, held.sha256()) == (layout, affine.sha256())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("centered", [False, True])
def test_what_onnxruntime_is_given_is_valid_onnx(layout: str, centered: bool) -> None:
    content = onnx_model.checked_graph(random_affine(5, centered), layout)
    _, held = read_graph(content, "model.onnx")
    for given in (write_graph(held, layout), write_sigmoid()):
        onnx.checker.check_model(given, full_check=True)
        assert onnx.load_from_string(given).SerializeToString(deterministic=True) == given


# Evil models, written by the onnx package; every digest in the file is made to fit.


def external_data(model: onnx.ModelProto) -> None:
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../../etc/passwd")


def external_data_beside_raw_data(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].external_data.add(key="location", value="/dev/zero")


def custom_operator(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.evil", 1))
    model.graph.node[3].domain = "com.evil"


def contributed_operator(model: onnx.ModelProto) -> None:
    model.graph.node[3].CopyFrom(
        helper.make_node("QuickGelu", ["negated"], ["exponential"], domain="com.microsoft")
    )


def function(model: onnx.ModelProto) -> None:
    """A local function that takes the place of an operator of the same name."""
    body = [helper.make_node("Identity", ["x"], ["y"])]
    model.functions.append(
        helper.make_function("", "Exp", ["x"], ["y"], body, [helper.make_opsetid("", 13)])
    )


def subgraph(model: onnx.ModelProto) -> None:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["shifted"], ["inner"])], "inner", [], [value("inner")]
    )
    model.graph.node.insert(
        0,
        helper.make_node("If", ["condition"], ["chosen"], then_branch=inner, else_branch=inner),
    )


def loop(model: onnx.ModelProto) -> None:
    """A billion iterations."""
    inner = helper.make_graph([], "inner", [], [])
    model.graph.node.append(helper.make_node("Loop", ["count", ""], [], body=inner))
    model.graph.initializer.append(numpy_helper.from_array(np.array(10**9), "count"))


def subgraph_in_an_attribute_of_ours(model: onnx.ModelProto) -> None:
    gemm = next(node for node in model.graph.node if node.op_type == "Gemm")
    gemm.attribute[0].g.name = "inner"


def sparse_initializer(model: onnx.ModelProto) -> None:
    values = helper.make_tensor("spare", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("spare_indices", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [10**12]))


def huge_constant(model: onnx.ModelProto) -> None:
    """8 exabytes, said in 40 bytes."""
    shape = numpy_helper.from_array(np.array([10**6] * 3), "shape")
    model.graph.initializer.append(shape)
    model.graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["spare"]))


def claimed_size(model: onnx.ModelProto) -> None:
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend([1, 2**40])


def quantization(model: onnx.ModelProto) -> None:
    model.graph.quantization_annotation.add(tensor_name="weight")


def training(model: onnx.ModelProto) -> None:
    model.training_info.add().algorithm.name = "step"


def named_input(model: onnx.ModelProto) -> None:
    """The weights are an input with a default: a caller of the file may exchange them."""
    model.graph.input.append(value("weight", 1, 5))


def float_data(model: onnx.ModelProto) -> None:
    weight = model.graph.initializer[0]
    values = numpy_helper.to_array(weight).reshape(-1).tolist()
    weight.ClearField("raw_data")
    weight.float_data.extend(values)


def second_weight(model: onnx.ModelProto) -> None:
    """Of the two, some readers take the first and some the last."""
    again = numpy_helper.from_array(np.zeros((1, 5), np.float32), "weight")
    model.graph.initializer.append(again)


def own_sigmoid(model: onnx.ModelProto) -> None:
    model.graph.node[-1].op_type = "Sigmoid"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (external_data, "graph than .* weight has 0 bytes of raw_data"),
        (external_data_beside_raw_data, r"initializer\[0\]\.external_data\[0\] is there"),
        (custom_operator, r"node\[3\]\.domain is there \('com.evil'\)"),
        (contributed_operator, r"node\[3\]\.op_type is 'QuickGelu', not 'Exp'"),
        (function, r"functions than .* functions\[0\] is there"),
        (subgraph, r"node\[0\]\.input\[0\] is 'condition', not 'weight'"),
        (loop, r"node\[\d\] is there"),
        (subgraph_in_an_attribute_of_ours, r"node\[0\]\.attribute\[0\]\.g is there"),
        (sparse_initializer, r"sparse_initializer\[0\] is there"),
        (huge_constant, r"node\[\d\] is there"),
        (claimed_size, r"initializer\[0\]\.dims\[1\] is 1099511627776, not 5"),
        (quantization, r"quantization_annotation\[0\] is there"),
        (training, r"training_info than .* training_info\[0\] is there"),
        (named_input, r"input\[1\] is there"),
        (float_data, "weight has 0 bytes of raw_data, not 4"),
        (second_weight, r"initializer\[\d\] is there"),
        (own_sigmoid, r"node\[\d\]\.op_type is 'Sigmoid', not '(Div|Reshape)'"),
    ],
)
def test_an_evil_graph_is_refused_before_onnxruntime_sees_it(
    bundle: Path,
    layout: str,
    edit: Callable[[onnx.ModelProto], None],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import onnxruntime

    path, card = bundle / MODEL_FILES[layout], card_of(bundle)
    model = onnx.load_from_string(path.read_bytes())
    del model.metadata_props[:]
    edit(model)
    evil = model.SerializeToString(deterministic=True)
    card = replace(card, graph_sha256={**card.graph_sha256, layout: FileEntry.of(evil).sha256})
    path.write_bytes(onnx_model.add_card(evil, card))
    reseal(bundle)

    def loaded(*arguments: object, **options: object) -> None:
        raise AssertionError("a session was built")

    with monkeypatch.context() as patched:
        patched.setattr(onnxruntime, "InferenceSession", loaded)
        for load in (Predictor, lambda p: parse_model(p, p.read_bytes()), OnnxFile(layout).load):
            with pytest.raises(ArtifactError, match=message):
                load(path)
        with pytest.raises(ArtifactError, match=message):
            Predictor(bundle)
    with pytest.raises(ArtifactError, match=message):
        verify_bundle(bundle)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_that_onnx_wrote_again_is_refused(bundle: Path, layout: str) -> None:
    """The same model, with its card before other fields or further metadata after it."""
    path = bundle / MODEL_FILES[layout]
    content = path.read_bytes()
    model = onnx.load_from_string(content)
    assert model.SerializeToString(deterministic=True) == content
    model.metadata_props.add(key="note", value="mine")
    path.write_bytes(model.SerializeToString(deterministic=True))
    with pytest.raises(ArtifactError, match=r"hold no metadata besides; it holds .* 'note'"):
        Predictor(path)
