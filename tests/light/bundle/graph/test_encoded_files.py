"""Model files of encoded models with their cards."""

import time
from dataclasses import replace

import numpy as np
import pytest

from light.bundle.graph.random_encodings import (
    Model,
    category,
    encoded_card,
    encoded_file,
    number,
    random_model,
)
from serve_runtime import ArtifactError
from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.from_memory import read_from_memory
from serve_runtime.bundle.model_file import card_field, parse_model
from serve_runtime.bundle.onnx_graph import write_model
from serve_runtime.bundle.sealed_json import sha256
from serve_runtime.features.encoding import sha256_of

COLUMNS_OF = (category("colour", ("blue", "red")), number("age", missing="mean"))
MODEL = random_model(np.random.default_rng(0), COLUMNS_OF)


@pytest.mark.parametrize("layout", [ROWS, COLUMNS])
def test_file_and_card_are_read(layout):
    content = encoded_file(MODEL, layout)
    (from_memory,) = read_from_memory(content)
    for found in (parse_model("m.onnx", content), from_memory):
        assert (found.layout, found.card.columns) == (layout, COLUMNS_OF)
        assert found.encoding.columns == COLUMNS_OF
        assert sha256_of(found.affine, found.encoding) == sha256_of(*MODEL)


def test_a_numeric_model_has_no_encoding():
    columns = (number("a"), number("b"))
    affine, encoding = random_model(np.random.default_rng(0), columns)
    graph = write_model(affine, ROWS)
    card = encoded_card(
        Model(affine, encoding),
        weights_sha256=affine.sha256(),
        graph_sha256={ROWS: sha256(graph).hexdigest()},
    )
    found = parse_model("m.onnx", graph + card_field(card.to_json()))
    assert found.encoding is None
    assert found.affine.sha256() == affine.sha256()


def test_constants_of_another_model_are_refused():
    other = random_model(np.random.default_rng(1), COLUMNS_OF)
    content = encoded_file(MODEL, ROWS, weights_sha256=sha256_of(*other))
    with pytest.raises(ArtifactError, match=r"m\.onnx holds the weights .*, its card was made for"):
        parse_model("m.onnx", content)
    content = encoded_file(MODEL, ROWS, weights_sha256=MODEL.affine.sha256())
    with pytest.raises(ArtifactError, match=r"m\.onnx holds the weights .*, its card was made for"):
        parse_model("m.onnx", content)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((COLUMNS_OF[0],), "has 4 bytes of raw_data, not 0"),
        (COLUMNS_OF[::-1], None),  # the graph is the same: it takes inputs by name
        ((category("colour", ("blue", "rot")), COLUMNS_OF[1]), "is 'red', not 'rot'"),
        ((replace(COLUMNS_OF[0], name="color"), COLUMNS_OF[1]), "is 'colour', not 'color'"),
        ((number("colour"), number("age")), r"graph\.node\[0\]"),
    ],
)
def test_a_card_of_other_columns_is_refused(columns, message):
    content = encoded_file(MODEL, ROWS, columns=columns)
    if message is None:
        assert parse_model("m.onnx", content).encoding.columns == columns
        return
    with pytest.raises(ArtifactError, match=message):
        parse_model("m.onnx", content)


def test_a_file_of_100_000_levels_is_read_in_seconds():
    levels = [f"{i:05}" for i in range(10_000)]
    model = random_model(np.random.default_rng(0), [category(f"c{i}", levels) for i in range(10)])
    content = encoded_file(model, ROWS)
    start = time.process_time()
    parse_model("m.onnx", content)
    assert time.process_time() - start < 5
