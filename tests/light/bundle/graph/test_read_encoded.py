"""Which files of encoded models are accepted: what export writes, and nothing else."""

import re
import tracemalloc
from dataclasses import replace
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light.bundle.edits import add, drop, edited, put, swap
from light.bundle.graph.random_encodings import (
    BENT_KINDS,
    BENT_MODEL,
    EVERY_KIND,
    MODEL,
    NAMES,
    category,
    number,
    random_column,
    random_model,
)
from light.helpers import flipped
from light.mutations import refielded
from serve_runtime import ArtifactError
from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.graph.encoded import encoded_graph
from serve_runtime.bundle.graph.read_encoded import read_encoded_graph
from serve_runtime.bundle.onnx_graph import read_graph, write_model
from serve_runtime.bundle.protobuf_wire import field
from serve_runtime.features.encoding import sha256_of

CONTENT = write_model(MODEL.affine, ROWS, MODEL.encoding)
BENT = write_model(BENT_MODEL.affine, ROWS, BENT_MODEL.encoding)


def read(content, columns=EVERY_KIND):
    return read_encoded_graph(content, "m.onnx", columns)


@given(seed=st.integers(0, 2**32 - 1), layout=st.sampled_from([ROWS, COLUMNS]))
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_again(seed, layout):
    rng = np.random.default_rng(seed)
    names = rng.permutation(NAMES)[: rng.integers(1, 12)]
    model = random_model(rng, [random_column(rng, str(name)) for name in names])
    content = write_model(model.affine, layout, model.encoding)
    found_layout, affine, encoding = read(content, model.encoding.columns)
    assert (found_layout, encoding.columns) == (layout, model.encoding.columns)
    assert sha256_of(affine, encoding) == sha256_of(*model)


def test_many_columns_and_levels_are_read():
    rng = np.random.default_rng(0)
    many = [category(f"c{i}") for i in range(2000)] + [
        number(f"x{i}", missing="indicator") for i in range(300)
    ]
    for columns in (many, [category("zip", [f"{i:06}" for i in range(100_000)])]):
        model = random_model(rng, columns)
        content = write_model(model.affine, ROWS, model.encoding)
        _, affine, encoding = read(content, model.encoding.columns)
        assert sha256_of(affine, encoding) == sha256_of(*model)


# What a model may not have, each by its message. Numbers of fields are those of onnx/onnx.proto.

NODES = [node.operator for node in encoded_graph(*MODEL, ROWS).nodes]
CONSTANTS = list(encoded_graph(*MODEL, ROWS).constants)
GRAPH = (7, 0)
COLOUR, SIZE = (1, 0), (1, 1)
DEFAULT, KEYS, WEIGHTS = (5, 0), (5, 1), (5, 2)


def of_node(operator):
    return 1, NODES.index(operator)


def constant(name):
    return 5, CONSTANTS.index(name)


def bent_constant(name):
    return 5, list(encoded_graph(*BENT_MODEL, ROWS).constants).index(name)


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ((), drop(8, 1), r"opset_import\[1\] is missing"),
        (((8, 1),), put(2, 3), r"opset_import\[1\].version is 3, not 2"),
        ((GRAPH,), swap(0, 1), r"node\[0\].input\[0\] is 'size', not 'colour'"),
        ((GRAPH,), drop(1, 0), r"graph.node\[1\] is no LabelEncoder with three attributes, as the "
         "category 'size' needs"),
        ((GRAPH,), put(2, "main"), "graph.name is 'main', not 'logistic_regression_rows'"),
        ((GRAPH, COLOUR), put(1, "size"), r"node\[0\].input\[0\] is 'size', not 'colour'"),
        ((GRAPH, COLOUR), put(7, "com.evil"), r"node\[0\].domain is 'com.evil', not 'ai.onnx.ml'"),
        ((GRAPH, COLOUR), drop(7), r"node\[0\].domain is missing"),
        ((GRAPH, COLOUR), put(4, "StringNormalizer"), r"node\[0\].op_type is 'StringNormalizer'"),
        ((GRAPH, COLOUR), drop(5, 0), r"graph.node\[0\] is no LabelEncoder"),
        ((GRAPH, COLOUR), add(5, field(1, "more")), r"graph.node\[0\] is no LabelEncoder"),
        ((GRAPH, COLOUR), put(5, b"", 2), "values_floats of 'colour' has 0 bytes, not 58"),
        ((GRAPH, COLOUR, DEFAULT), put(1, "default_f"), "default_float of 'colour' has 19 b"),
        ((GRAPH, COLOUR, DEFAULT), put(2, np.float32(7)), "unknown levels of 'colour' have an"),
        ((GRAPH, COLOUR, DEFAULT), put(2, np.float32("nan")), "weight of unknown levels of 'col"),
        ((GRAPH, COLOUR, KEYS), put(9, "green"), r"attribute\[1\].strings\[0\] is 'green', not"),
        ((GRAPH, COLOUR, KEYS), drop(9, 1), r"\.strings\[1\]"),
        ((GRAPH, COLOUR, KEYS), add(9, "x", 3), r"\.strings\[2\] is 'x'"),
        ((GRAPH, COLOUR, KEYS), swap(1, 2), r"node\[0\].attribute\[1\].strings\[0\] is"),
        ((GRAPH, COLOUR, WEIGHTS), drop(7), "values_floats of 'colour' has 53 bytes, not 58"),
        ((GRAPH, COLOUR, WEIGHTS), add(7, np.float32(1), 2), "values_floats of 'colour' has 63"),
        ((GRAPH, SIZE, WEIGHTS), put(7, np.float32("inf"), 1), "of the level 'L' of 'size' is not"),
        ((GRAPH, SIZE, WEIGHTS), put(7, np.float32(0.5), 4), r"floats\[4\] is 0.5, not -4.57"),
        ((GRAPH, of_node("Cast")), put(5, field(1, "to") + field(3, 10) + field(20, 2)),
         r"attribute\[0\].i is 10, not 1"),
        ((GRAPH, of_node("Where")), put(1, "gap", 1), "input.1. is 'gap', not 'fill'"),
        ((GRAPH, of_node("Transpose"), (5, 0)), put(8, 0), r"attribute\[0\].ints\[0\] is 0, not 1"),
        ((GRAPH, constant("fill")), put(9, b"\0" * 4), "fill has 4 bytes of raw_data, not 8"),
        ((GRAPH, constant("fill")), put(9, b"\0" * 8), "what stands for missing values of 'when' "
         r"is 0\.0, though its card says that they are refused"),
        ((GRAPH, constant("fill")), put(9, b"\xff" * 8), "missing values of 'age' is not finite"),
        ((GRAPH, constant("weight")), put(9, b"\0" * 4), "weight has 4 bytes of raw_data, not 8"),
        ((GRAPH, constant("weight")), put(9, b"\xff" * 8), "value 0 of weight is not finite"),
        ((GRAPH, constant("bias")), put(1, 2), r"dims\[0\] is 2, not 1"),
        ((GRAPH, constant("gap")), put(9, b"\xff" * 4 + b"\0" * 4), "value 0 of gap is not finite"),
        ((GRAPH, constant("gap")), put(9, b"\0" * 8), r"graph\..* is "),
        ((GRAPH, constant("gap")), put(8, "gaps_"), r"graph\..* is "),
        ((GRAPH, constant("number_0")), put(9, b"\1" + b"\0" * 7), "raw_data is"),
        ((GRAPH, constant("minus_zero")), put(9, b"\0" * 4), "raw_data is 00000000, not 00000080"),
        ((GRAPH, constant("precise_center")), put(9, b"\0" * 4), "4 bytes of raw_data, not 8"),
        ((GRAPH, constant("precise_center")), put(9, b"\xff" * 8), "precise_center is not finite"),
        ((GRAPH, constant("precise_center")), put(2, 1), "data_type is 1, not 11"),
        ((GRAPH, constant("center")), put(9, b"\xff" * 8), "value 0 of center is not finite"),
        ((GRAPH, (11, 0)), put(1, "age"), r"graph.input\[0\].name is 'age', not 'numbers'"),
        ((GRAPH,), drop(11, 2), r"graph.input\[2\].name is 'size', not 'colour'"),
        ((GRAPH, (11, 2), (2, 0), (1, 0)), put(1, 1), "elem_type is 1, not 8"),
    ],
)  # fmt: skip
def test_what_export_does_not_write_is_refused(path, change, message):
    evil = edited(CONTENT, change, *path)
    assert evil != CONTENT
    with pytest.raises(ArtifactError, match=message) as caught:
        read(evil)
    text = str(caught.value)
    assert re.match(r"m\.onnx holds another \w+ than export writes: ", text)
    assert "ONNX itself and LabelEncoder and TreeEnsembleRegressor of ai.onnx.ml" in text
    assert text.isprintable()
    assert len(text) < 500


(_TREE_AT,) = [
    i
    for i, node in enumerate(encoded_graph(*BENT_MODEL, ROWS).nodes)
    if node.operator == "TreeEnsembleRegressor"
]
TREES = 1, _TREE_AT


def tree(name):
    return 5, list(encoded_graph(*BENT_MODEL, ROWS).nodes[_TREE_AT].attributes).index(name)


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ((TREES,), put(4, "TreeEnsembleClassifier"), "no TreeEnsembleRegressor, which bent num"),
        ((TREES,), drop(5, 11), "target_weights of the bent numbers has .* bytes, not 109"),
        ((TREES,), drop(1), r"node\[\d+\].output\[0\] is there"),
        ((TREES,), put(7, "com.evil"), "domain is 'com.evil', not 'ai.onnx.ml'"),
        ((TREES,), add(5, field(1, "more")), "target_weights of the bent numbers has 6 bytes"),
        ((TREES, tree("n_targets")), put(3, 9), r"attribute\[0\].i is 9, not 6"),
        ((TREES, tree("nodes_treeids")), put(8, 1), r"ints\[0\] is 1, not 0"),
        ((TREES, tree("nodes_nodeids")), swap(1, 2), r"ints\[0\] is 1, not 0"),
        ((TREES, tree("nodes_featureids")), put(8, 1), r"ints\[0\] is 1, not 0"),
        ((TREES, tree("nodes_modes")), put(9, "BRANCH_LEQ"), "'BRANCH_LEQ', not 'BRANCH_LT'"),
        ((TREES, tree("nodes_values")), put(7, np.float32(7)), r"floats\[0\] is 7.0, not 1.17"),
        ((TREES, tree("nodes_truenodeids")), put(8, 2), r"ints\[0\] is 2, not 1"),
        ((TREES, tree("nodes_falsenodeids")), put(8, 0), r"ints\[0\] is 0, not 4"),
        ((TREES, tree("target_treeids")), drop(8), r"ints\[11\] is"),
        ((TREES, tree("target_nodeids")), put(8, 0), r"ints\[0\] is 0, not 2"),
        ((TREES, tree("target_ids")), put(8, 1), r"ints\[0\] is 1, not 0"),
        ((TREES, tree("target_weights")), put(7, np.float32("nan")),
         "the value of 'income' in segment 0 is not finite"),
        ((TREES, tree("target_weights")), put(7, np.float32("inf"), 16),
         "the slope of 'born' in segment 1 is not finite"),
        ((TREES, tree("target_weights")), put(7, np.float32(7), 5), r"floats\[5\] is 7.0, not 0.0"),
        ((bent_constant("weight"),), put(9, b"\0\0\x80\x3f" * 3), "'income' is bent, but has a w"),
        ((bent_constant("center"),), put(9, b"\0\0\x80\x3f" * 3), "'income' is bent, but has a w"),
        ((bent_constant("fill_rows"),), put(9, b"\0" * 12), "raw_data is 0"),
        ((bent_constant("bent_rows"),), put(9, b"\0" * 16), "raw_data is 0"),
        ((bent_constant("slope_rows"),), put(9, b"\0" * 16), "raw_data is 0"),
    ],
)  # fmt: skip
def test_other_trees_are_refused(path, change, message):
    evil = edited(BENT, change, GRAPH, *path)
    assert evil != BENT
    with pytest.raises(ArtifactError, match=message) as caught:
        read(evil, BENT_KINDS)
    assert len(str(caught.value)) < 500


def test_other_knots_are_refused():
    income, *others = BENT_KINDS
    for knots, message in {
        (): "target_weights of the bent numbers has .* bytes, not",
        (0.0, 2.5): "target_weights of the bent numbers has .* bytes, not",
        (0.0, 2.0, 2.5): r"floats\[0\] is 1.17.*, not 2.0",
        (0.0, 2.0**-126, 3.0): r"floats\[4\] is 2.5, not 3.0",
    }.items():
        with pytest.raises(ArtifactError, match=message):
            read(BENT, (replace(income, knots=knots), *others))
    with pytest.raises(ArtifactError, match="no TreeEnsembleRegressor, which bent numbers need"):
        read(CONTENT, tuple(replace(c, knots=(1.0,)) if c.kind == "number" else c
                            for c in EVERY_KIND))  # fmt: skip


def test_the_edits_change_nothing_by_themselves():
    assert edited(CONTENT, lambda parts: None, GRAPH, COLOUR, WEIGHTS) == CONTENT


def test_columns_of_another_card_are_refused():
    colour, age, when, size = EVERY_KIND
    for columns, message in {
        (colour, age, when): "graph.node.1..* in place of|has 8 bytes|is 'size'",
        (*EVERY_KIND, category("more")): r"graph.node\[2\] is no LabelEncoder .* 'more' needs",
        (size, age, when, colour): r"node\[0\].input\[0\] is 'colour', not 'size'",
        (replace(colour, levels=("blue", "teal")), age, when, size): "strings.* is 'red', not 'tea",
        (
            replace(colour, levels=("blue",), counts=(1,)),
            age,
            when,
            size,
        ): "values_floats of .* not 53",
        (
            colour,
            replace(age, missing="error"),
            when,
            size,
        ): "missing values of 'age' is .* refused",
        (colour, age, replace(when, missing="mean"), size): "missing values of 'when' is not finit",
        (colour, age, when, replace(size, missing="error")): "missing values of 'size' is .* refu",
        (colour, age, when, replace(size, unknown="error")): "unknown levels of 'size' is .* refus",
        (colour, age, replace(when, kind="number"), size): "precise_center|input|node",
        (colour, age, size): "weight has 8 bytes of raw_data, not 4",
        (colour, replace(age, name="numbers"), when, size): None,  # a number's name is not in it
    }.items():
        if message is None:
            assert read(CONTENT, columns)[2].columns == columns
            continue
        with pytest.raises(ArtifactError, match=message):
            read(CONTENT, columns)


def test_the_files_of_the_two_kinds_are_not_taken_for_each_other():
    numeric = write_model(Affine(np.ones(2, np.float32), 0.0), ROWS)
    with pytest.raises(ArtifactError, match=r"graph.node\[0\] is no LabelEncoder"):
        read(numeric)
    with pytest.raises(ArtifactError, match="fill has 0 bytes of raw_data, not 8"):
        read(numeric, (number("a", missing="mean"), number("b")))
    with pytest.raises(ArtifactError, match=r"graph\.node\[0\]"):
        read_graph(CONTENT, "m.onnx")


# Damage.


KINDS_OF_FILES = {"every kind": (MODEL, CONTENT), "bent": (BENT_MODEL, BENT)}
DAMAGED = pytest.mark.parametrize(
    ("model", "ours"), KINDS_OF_FILES.values(), ids=list(KINDS_OF_FILES)
)


@pytest.mark.parametrize("every", [1, 5])
def test_of_bit_flips_only_other_constants_are_read(every):
    accepted, (model, ours) = 0, (MODEL, CONTENT) if every == 1 else (BENT_MODEL, BENT)
    for position in range(0, len(ours), every):
        evil = flipped(ours, position, 1 << position % 8)
        try:
            layout, affine, encoding = read(evil, model.encoding.columns)
        except ArtifactError:
            continue
        assert sha256_of(affine, encoding) != sha256_of(*model)
        assert write_model(affine, layout, encoding) == evil
        accepted += 1
    assert accepted > 30 // every


@DAMAGED
def test_no_truncation_is_read(model, ours):
    for length in range(len(ours)):
        with pytest.raises(ArtifactError, match=r"holds another|is not a whole ONNX file"):
            read(ours[:length], model.encoding.columns)


@DAMAGED
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_edited_files_are_refused_or_what_is_written(model, ours, data):
    content = refielded(data.draw(st.randoms(use_true_random=False)), ours)
    try:
        layout, affine, encoding = read(content, model.encoding.columns)
    except ArtifactError:
        return
    assert write_model(affine, layout, encoding) == content


MANY = 1_000_000
CROWDED = {
    "nodes": (add(1, field(4, "Identity")), (GRAPH,), "more than 80 fields"),
    "constants": (add(5, field(8, "x")), (GRAPH,), "more than 80 fields"),
    "inputs": (add(11, field(1, "x")), (GRAPH,), "more than 80 fields"),
    "attributes": (add(5, field(1, "x")), (GRAPH, COLOUR), "more than 256 fields"),
    "inputs of a node": (add(1, "x"), (GRAPH, of_node("Sum")), r"input\[2\] is there"),
    "levels": (add(9, "x"), (GRAPH, COLOUR, KEYS), r"strings\[8\] is there"),
    "weights": (add(7, np.float32(1)), (GRAPH, COLOUR, WEIGHTS), "values_floats of 'colour' has"),
    "values": (put(9, b"x" * 5 * MANY), (GRAPH, constant("fill")), "fill has 5000000 bytes"),
    "texts": (put(9, b"x" * 5 * MANY), (GRAPH, COLOUR, KEYS), r"strings\[0\] is 'xxx"),
}


def crowd(change):
    """The change `MANY` times over, where it adds a field."""

    def changed(parts):
        before = len(parts)
        change(parts)
        if len(parts) > before:
            parts.extend(parts[-1:] * MANY)

    return changed


@pytest.mark.parametrize(("change", "path", "message"), CROWDED.values(), ids=CROWDED)
def test_crowded_files_are_refused_at_once(change, path, message):
    evil = edited(CONTENT, crowd(change), *path)
    assert len(evil) > 3 * MANY
    tracemalloc.start()
    start = process_time()
    with pytest.raises(ArtifactError, match=message):
        read(evil)
    seconds, (_, peak) = process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 0.5
    assert peak < 1_000_000
