"""Random weights, and the model file of each kind."""

import numpy as np

from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.onnx_graph import write_model


def random_affine(width=3, *, centered=False, seed=0):
    rng = np.random.default_rng(seed)
    weight, center = rng.normal(size=(2, width)).astype(np.float32)
    return Affine(weight, float(np.float32(rng.normal())), center if centered else None)


MODELS = {
    (layout, centered): write_model(random_affine(centered=centered), layout)
    for layout in (ROWS, COLUMNS)
    for centered in (False, True)
}
"""By layout, and whether a centre is subtracted."""
