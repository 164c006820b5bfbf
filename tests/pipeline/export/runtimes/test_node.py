"""Model files in onnxruntime-node, given raw values: the bits of numpy's encoding."""

from pathlib import Path

import numpy as np
import pytest
from light.bundle.graph import random_encodings as encodings

from pipeline.export.runtimes import onnxruntime_node
from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.onnx_graph import write_model


@pytest.fixture(scope="module")
def node() -> Path:
    return onnxruntime_node.installed()


@pytest.mark.parametrize("layout", [ROWS, COLUMNS])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_raw_values_have_the_same_bits_in_node(node: Path, seed: int, layout: str) -> None:
    rng = np.random.default_rng(seed)
    columns = [
        encodings.random_column(rng, str(name), (kind,))
        for name, kind in zip(
            rng.permutation(encodings.NAMES)[:9], 3 * ["number", "precise", "category"], strict=True
        )
    ]
    model = encodings.random_model(rng, columns)
    raw = encodings.random_rows(rng, model.encoding, 200)
    for column, texts, codes in zip(model.encoding.categories, raw.texts, raw.codes, strict=True):
        missing = np.array([not isinstance(text, str) for text in texts])
        texts[missing] = ""  # Node takes no null for a text
        codes[missing] = column.code_by_text().get("", column.missing_code)
    expected = encodings.expected_scores(model, raw)
    assert np.isfinite(expected).mean() > 0.3
    content = write_model(model.affine, layout, model.encoding)
    for batch in (1, 5, 200):
        inputs = encodings.feed(model.encoding, raw, layout, batch)
        found = np.stack(onnxruntime_node.score(node, content, inputs))
        encodings.assert_same_scores(found, expected[:, :batch])
