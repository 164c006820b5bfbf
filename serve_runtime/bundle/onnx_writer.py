"""ONNX models as bytes: nodes, constants, inputs and outputs in protobuf's wire format.

Numbers of fields, data types and attribute types are onnx/onnx.proto's.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np

from serve_runtime.arrays import Array
from serve_runtime.bundle.protobuf_wire import field

OPSET: Final = 13
IR_VERSION: Final = 7
Shape = tuple[int | str, ...]
FLOAT, INT64, STRING, DOUBLE = 1, 7, 8, 11
"""Of onnx.TensorProto.DataType."""
_TYPES: Final = {np.dtype("<i8"): INT64, np.dtype("<f4"): FLOAT, np.dtype("<f8"): DOUBLE}
_INT = 2
"""Of onnx.AttributeProto.AttributeType."""


class Node(NamedTuple):
    """One operator of a graph, of ONNX's own domain."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, int] = {}


class Value(NamedTuple):
    """An input or output of a graph."""

    name: str
    shape: Shape
    """A text is a size that is free, and bears that name."""
    type: int = FLOAT
    """FLOAT, DOUBLE or STRING."""


# From here on, bytes. Numbers of fields, data types and attribute types are onnx/onnx.proto's.


def write_onnx(
    name: str,
    nodes: Iterable[Node],
    constants: Mapping[str, Array],
    inputs: Iterable[Value],
    outputs: Iterable[Value],
) -> bytes:
    """An ONNX model of one graph: its nodes, constants, inputs and outputs."""
    graph = b"".join([
        *(field(1, _node(node)) for node in nodes),
        field(2, name),
        *(field(5, _tensor(name, array)) for name, array in constants.items()),
        *(field(11, _value(*value)) for value in inputs),
        *(field(12, _value(*value)) for value in outputs),
    ])  # fmt: skip
    opset = field(1, "") + field(2, OPSET)
    return field(1, IR_VERSION) + field(2, "serve-runtime") + field(7, graph) + field(8, opset)


def _node(node: Node) -> bytes:
    return b"".join([
        *(field(1, name) for name in node.inputs),
        field(2, node.output),
        field(4, node.operator),
        *(
            field(5, field(1, name) + field(3, value) + field(20, _INT))
            for name, value in node.attributes.items()
        ),
    ])  # fmt: skip


def _tensor(name: str, array: Array) -> bytes:
    data = array.astype(array.dtype.newbyteorder("<"), copy=False)
    shape = b"".join(field(1, size) for size in array.shape)
    return shape + field(2, _TYPES[data.dtype]) + field(8, name) + field(9, data.tobytes())


def _value(name: str, shape: Shape, type: int) -> bytes:
    sizes = (field(1 if isinstance(size, int) else 2, size) for size in shape)
    dimensions = b"".join(field(1, size) for size in sizes)
    return field(1, name) + field(2, field(1, field(1, type) + field(2, dimensions)))
