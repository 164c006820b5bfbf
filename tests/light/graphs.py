"""Graphs with random weights, and the model file of each kind."""

import numpy as np

from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.onnx_graph import Graph, write_model


def random_graph(width=3, layout=ROWS, *, centered=False, seed=0):
    rng = np.random.default_rng(seed)
    weight, center = rng.normal(size=(2, width)).astype(np.float32)
    return Graph(layout, weight, np.float32(rng.normal()), center if centered else None)


MODELS = {
    (layout, centered): write_model(random_graph(layout=layout, centered=centered))
    for layout in (ROWS, COLUMNS)
    for centered in (False, True)
}
"""By layout, and whether a centre is subtracted."""
