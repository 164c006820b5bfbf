"""Bundles of any width, written as the runtime itself knows them: no onnx is needed."""

import hashlib
from dataclasses import replace

import numpy as np

from light.helpers import TINY, card_field, reseal, tiny_card
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.model_file import MODEL_FILES, parse_model
from serve_runtime.bundle.onnx_graph import write_model
from serve_runtime.features.column import number_columns


def write_bundle(folder, weight, bias=None, center=None, golden=(), **card):
    """A bundle with the float32 weights `weight`, and what is not said as in the tiny one.

    Returns the feature names and the folder.
    """
    if bias is None:
        bias = parse_model(TINY, (TINY / MODEL_FILES["rows"]).read_bytes()).affine.bias
    names = tuple(f"f{i}" for i in range(len(weight)))
    affine = Affine(np.asarray(weight, np.float32), float(np.float32(bias)), center)
    graphs = {layout: write_model(affine, layout) for layout in MODEL_FILES}
    card = replace(
        tiny_card(),
        columns=number_columns(names, (0.0,) * len(weight), (1.0,) * len(weight)),
        graph_sha256={layout: hashlib.sha256(g).hexdigest() for layout, g in graphs.items()},
        weights_sha256=affine.sha256(),
        golden=golden,
        **card,
    )
    folder.mkdir()
    for layout, name in MODEL_FILES.items():
        (folder / name).write_bytes(graphs[layout] + card_field(card.to_json()))
    reseal(folder)
    return names, folder
