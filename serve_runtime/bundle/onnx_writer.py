"""ONNX models as bytes: nodes, constants, inputs and outputs in protobuf's wire format.

Numbers of fields, data types and attribute types are onnx/onnx.proto's.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np

from serve_runtime.arrays import Array, Float32
from serve_runtime.bundle.protobuf_wire import field

OPSET: Final = 13
IR_VERSION: Final = 7
Shape = tuple[int | str, ...]
FLOAT, INT64, STRING, DOUBLE = 1, 7, 8, 11
"""Of onnx.TensorProto.DataType."""
_TYPES: Final = {np.dtype("<i8"): INT64, np.dtype("<f4"): FLOAT, np.dtype("<f8"): DOUBLE}
ML: Final = "ai.onnx.ml"
"""The domain of operators on texts, and of trees."""
ML_OPERATORS: Final = ("LabelEncoder", "TreeEnsembleRegressor")
"""Those of this domain that files have."""
ML_OPSET: Final = 2

Attribute = int | list[int] | np.float32 | Float32 | tuple[str, ...]
"""Of a node: a number, several of them, or texts."""

UNPACKED: Final = np.dtype([("key", "u1"), ("value", "<f4")])
"""One of several floats of an attribute, as bytes."""


class Node(NamedTuple):
    """One operator of a graph."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Attribute] = {}
    domain: str = ""
    """ONNX's own, or ML."""


class Value(NamedTuple):
    """An input or output of a graph."""

    name: str
    shape: Shape
    """A text is a size that is free, and bears that name."""
    type: int = FLOAT
    """FLOAT, DOUBLE or STRING."""


def write_onnx(
    name: str,
    nodes: Iterable[Node],
    constants: Mapping[str, Array],
    inputs: Iterable[Value],
    outputs: Iterable[Value],
) -> bytes:
    """An ONNX model of one graph: its nodes, constants, inputs and outputs."""
    nodes = list(nodes)
    graph = b"".join([
        *(field(1, _node(node)) for node in nodes),
        field(2, name),
        *(field(5, _tensor(name, array)) for name, array in constants.items()),
        *(field(11, _value(*value)) for value in inputs),
        *(field(12, _value(*value)) for value in outputs),
    ])  # fmt: skip
    opsets = {"": OPSET, ML: ML_OPSET}
    domains = dict.fromkeys(["", *(node.domain for node in nodes)])
    return b"".join([
        *(field(1, IR_VERSION), field(2, "serve-runtime"), field(7, graph)),
        *(field(8, field(1, domain) + field(2, opsets[domain])) for domain in domains),
    ])  # fmt: skip


def _node(node: Node) -> bytes:
    return b"".join([
        *(field(1, name) for name in node.inputs),
        field(2, node.output),
        field(4, node.operator),
        *(field(5, attribute(name, value)) for name, value in node.attributes.items()),
        *([field(7, node.domain)] if node.domain else []),
    ])  # fmt: skip


def attribute(name: str, value: Attribute) -> bytes:
    """An attribute of a node. Several floats are not packed: so are those of the onnx package."""
    if isinstance(value, int):
        kind, content = 2, field(3, value)
    elif isinstance(value, np.float32):
        kind, content = 1, _fixed32(2, value.reshape(1))
    elif isinstance(value, np.ndarray):
        kind, content = 6, _fixed32(7, value)
    elif isinstance(value, list):
        encoded = {number: field(8, number) for number in set(value)}  # there may be 10,000
        kind, content = 7, b"".join(map(encoded.__getitem__, value))
    else:
        kind, content = 8, _texts(9, value)
    return field(1, name) + content + field(20, kind)


def _texts(number: int, texts: Iterable[str]) -> bytes:
    """`field` of each text, in a sixth of the time: there may be 100,000."""
    heads = [bytes((number << 3 | 2, length)) for length in range(128)]
    parts: list[bytes] = []
    for text in texts:
        payload = text.encode()
        if len(payload) < 128:
            parts += heads[len(payload)], payload
        else:
            parts.append(field(number, payload))
    return b"".join(parts)


def _fixed32(number: int, values: Float32) -> bytes:
    """A field for each of the values (m,)."""
    found = np.empty(len(values), UNPACKED)
    found["key"], found["value"] = number << 3 | 5, values
    return found.tobytes()


def _tensor(name: str, array: Array) -> bytes:
    data = array.astype(array.dtype.newbyteorder("<"), copy=False)
    shape = b"".join(field(1, size) for size in array.shape)
    return shape + field(2, _TYPES[data.dtype]) + field(8, name) + field(9, data.tobytes())


def _value(name: str, shape: Shape, type: int) -> bytes:
    sizes = (field(1 if isinstance(size, int) else 2, size) for size in shape)
    dimensions = b"".join(field(1, size) for size in sizes)
    return field(1, name) + field(2, field(1, field(1, type) + field(2, dimensions)))
