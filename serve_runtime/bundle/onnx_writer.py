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
Value = tuple[str, Shape]
"""Name and shape of a float32 input or output; a text is a size that is free."""
_FLOAT, _INT64, _INT = 1, 7, 2
"""onnx.TensorProto.DataType FLOAT and INT64, onnx.AttributeProto.AttributeType INT."""


class Node(NamedTuple):
    """One operator of a graph, of ONNX's own domain."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, int] = {}


# From here on, bytes. Numbers of fields, data types and attribute types are onnx/onnx.proto's.


def write_onnx(
    name: str,
    nodes: Iterable[Node],
    constants: Mapping[str, Array],
    input: Value,
    outputs: Iterable[Value],
) -> bytes:
    """An ONNX model of one graph: its nodes, constants, input and outputs."""
    graph = b"".join([
        *(field(1, _node(node)) for node in nodes),
        field(2, name),
        *(field(5, _tensor(name, array)) for name, array in constants.items()),
        field(11, _value(*input)),
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
    kind, order = (_INT64, "<i8") if array.dtype == np.int64 else (_FLOAT, "<f4")
    shape = b"".join(field(1, size) for size in array.shape)
    return shape + field(2, kind) + field(8, name) + field(9, array.astype(order).tobytes())


def _value(name: str, shape: Shape) -> bytes:
    """A float32 input or output; a size that is a text is free, and bears that name."""
    sizes = (field(1 if isinstance(size, int) else 2, size) for size in shape)
    dimensions = b"".join(field(1, size) for size in sizes)
    return field(1, name) + field(2, field(1, field(1, _FLOAT) + field(2, dimensions)))
