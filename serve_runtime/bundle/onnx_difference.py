"""Where an ONNX file first differs from the expected one, told by the names of ONNX's fields."""

import sys
from collections import Counter
from collections.abc import Mapping
from itertools import zip_longest
from typing import Final

import numpy as np

from serve_runtime.bundle.protobuf_wire import fields

_VALUE: Final = {1: "name", 2: "type", 3: "doc_string"}
_SHAPE: Final[Mapping[str, Mapping[int, str]]] = {
    "": _VALUE,
    ".type": {1: "tensor_type"},
    ".type.tensor_type": {1: "elem_type", 2: "shape"},
    ".type.tensor_type.shape": {1: "dim[]"},
    ".type.tensor_type.shape.dim[]": {1: "dim_value", 2: "dim_param"},
}
_NAMES: Final[Mapping[str, Mapping[int, str]]] = {
    "": {
        1: "ir_version", 2: "producer_name", 3: "producer_version", 4: "domain",
        5: "model_version", 6: "doc_string", 7: "graph", 8: "opset_import[]",
        14: "metadata_props[]", 20: "training_info[]", 25: "functions[]",
    },
    "opset_import[]": {1: "domain", 2: "version"},
    "graph": {
        1: "node[]", 2: "name", 5: "initializer[]", 10: "doc_string", 11: "input[]",
        12: "output[]", 13: "value_info[]", 14: "quantization_annotation[]",
        15: "sparse_initializer[]", 16: "metadata_props[]",
    },
    "graph.node[]": {
        1: "input[]", 2: "output[]", 3: "name", 4: "op_type", 5: "attribute[]",
        6: "doc_string", 7: "domain", 8: "overload", 9: "metadata_props[]",
    },
    "graph.node[].attribute[]": {
        1: "name", 2: "f", 3: "i", 4: "s", 5: "t", 6: "g", 7: "floats[]", 8: "ints[]",
        9: "strings[]", 10: "tensors[]", 11: "graphs[]", 13: "doc_string", 20: "type",
        21: "ref_attr_name", 22: "sparse_tensor",
    },
    "graph.initializer[]": {
        1: "dims[]", 2: "data_type", 3: "segment", 4: "float_data", 5: "int32_data",
        6: "string_data", 7: "int64_data", 8: "name", 9: "raw_data", 10: "double_data",
        11: "uint64_data", 12: "doc_string", 13: "external_data[]", 14: "data_location",
    },
    **{f"graph.input[]{path}": names for path, names in _SHAPE.items()},
    **{f"graph.output[]{path}": names for path, names in _SHAPE.items()},
}  # fmt: skip
"""By place of a message: its fields, with [] where there may be several (onnx/onnx.proto)."""

_FLOATS: Final = {"graph.node[].attribute[].f", "graph.node[].attribute[].floats[]"}
"""Fields whose four bytes are a float32."""

_SHOWN = 40


def difference(found: bytes, made: bytes) -> tuple[str, str]:
    """The first difference between two unequal models, `made` being the right one.

    Returns the field of the model in which it lies ("graph") and what it is ("graph.node[2].op_type
    is 'Sigmoid', not 'Sub'"). Reads at most one field more than `made` has, so that a huge file
    costs nothing. Raises WireError where `found` is no message.
    """
    problem = _difference(found, made, "", "")
    return problem.partition(" ")[0].partition(".")[0].partition("[")[0], problem


def _difference(found: bytes | memoryview, made: bytes | memoryview, place: str, path: str) -> str:
    """Compare two messages at the field `path` ("graph.node[2]"); `place` is the path without its
    indices ("graph.node[]")."""
    count: Counter[str] = Counter()

    def locate(number: int) -> tuple[str, str]:
        name = _NAMES[place].get(number, f"field_{number}")
        dot = "." if place else ""
        index = f"[{count[name]}]" if name.endswith("[]") else ""
        return place + dot + name, path + dot + name.removesuffix("[]") + index

    for theirs, ours in zip_longest(fields(found, sys.maxsize), fields(made, sys.maxsize)):
        if theirs is None:
            return f"{locate(ours[0])[1]} is missing, not {_shown(ours[1])}"
        inner, where = locate(theirs[0])
        if ours is None or theirs[0] != ours[0]:
            expected = "nothing" if ours is None else locate(ours[0])[1].rpartition(".")[2]
            return f"{where} is there ({_shown(theirs[1])}) in place of {expected}"
        if theirs[1] != ours[1]:
            if inner in _NAMES and not isinstance(theirs[1], int) and not isinstance(ours[1], int):
                return _difference(theirs[1], ours[1], inner, where)
            shown = _shown_float if inner in _FLOATS else _shown
            return f"{where} is {shown(theirs[1])}, not {shown(ours[1])}"
        count[_NAMES[place].get(theirs[0], "")] += 1
    return f"{path} encoding differs, though all fields are the same".lstrip()


def _shown_float(value: int | memoryview) -> str:
    if isinstance(value, int) and value < 1 << 32:
        return str(np.uint32(value).view(np.float32))
    return _shown(value)


def _shown(value: int | memoryview) -> str:
    if isinstance(value, int):
        return str(value)
    try:
        text = bytes(value[: 4 * _SHOWN + 4]).decode()
    except ValueError:
        text = "\0"
    if text.isprintable():
        return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
    return value.hex() if len(value) <= _SHOWN // 2 else f"{len(value)} bytes"
