"""Raw rows as the inputs of an ONNX file, whatever the columns are called."""

import numpy as np
import pytest
from light.bundle.graph.random_encodings import category, number, random_model

from export.formats.onnxruntime_scorer import onnx_score
from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.onnx_graph import write_model
from serve_runtime.features.raw_rows import RawRows


@pytest.mark.parametrize("layout", [ROWS, COLUMNS])
def test_columns_may_have_the_names_of_inputs(layout):
    columns = [number("x"), number("probability", kind="precise")]
    columns += [category(name) for name in ("numbers", "numbers_", "logit")]
    affine, encoding = random_model(np.random.default_rng(0), columns)
    rows = RawRows(np.ones((2, 3)), tuple(np.array(["a"] * 3, object) for _ in range(3)))
    logit, probability = onnx_score(write_model(affine, layout, encoding), layout, encoding)(rows)
    assert logit.shape == probability.shape == (3,)
