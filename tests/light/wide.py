"""Bundles of any width, made from the tiny one by exchanging its weights: no onnx is needed.

Numbers are those of the fields in onnx/onnx.proto.
"""

import hashlib
from dataclasses import replace

import numpy as np

from serve_runtime.artifact import MODEL_FILES

from .helpers import TINY, card_field, field, graph_of, reseal, tiny_card, varint

MODEL_GRAPH, GRAPH_INITIALIZER, GRAPH_INPUT = 7, 5, 11


def write_bundle(folder, weight):
    """A bundle with the float32 weights `weight` and the tiny model's bias; (names, folder)."""
    names = tuple(f"f{i}" for i in range(len(weight)))
    graphs = {layout: _graph(layout, weight) for layout in MODEL_FILES}
    card = replace(
        tiny_card(),
        feature_names=names,
        feature_min=(0.0,) * len(weight),
        feature_max=(1.0,) * len(weight),
        graph_sha256={layout: hashlib.sha256(g).hexdigest() for layout, g in graphs.items()},
        golden=(),
    )
    folder.mkdir()
    for layout, name in MODEL_FILES.items():
        (folder / name).write_bytes(graphs[layout] + card_field(card.to_json()))
    reseal(folder)
    return names, folder


def _graph(layout, weight):
    content = graph_of((TINY / MODEL_FILES[layout]).read_bytes(), tiny_card())
    return b"".join(
        field(number, b"".join(_widened(layout, weight, *part) for part in _fields(value)))
        if number == MODEL_GRAPH
        else raw
        for number, value, raw in _fields(content)
    )


def _widened(layout, weight, number, value, raw):
    """A field of the graph as it is, but for the weights and the shape of the input."""
    if number == GRAPH_INITIALIZER and field(8, b"weight") in value:
        dims = b"".join(varint(1 << 3) + varint(size) for size in (1, len(weight)))
        data = np.asarray(weight, "<f4").tobytes()
        tensor = dims + varint(2 << 3) + varint(1) + field(8, b"weight") + field(9, data)
        return field(number, tensor)
    if number == GRAPH_INPUT:
        name = {"rows": b"features", "columns": b"columns"}[layout]
        batch = field(1, field(2, b"batch"))
        width = field(1, varint(1 << 3) + varint(len(weight)))
        shape = batch + width if layout == "rows" else width + batch
        kind = field(1, varint(1 << 3) + varint(1) + field(2, shape))
        return field(number, field(1, name) + field(2, kind))
    return raw


def _fields(message):
    """Number, value and raw bytes of each field; of varints and length-delimited fields only."""
    position = 0
    while position < len(message):
        start = position
        key, position = _varint(message, position)
        length, position = _varint(message, position)
        value_start = position
        position += length if key & 7 == 2 else 0
        yield key >> 3, message[value_start:position], message[start:position]


def _varint(message, position):
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
