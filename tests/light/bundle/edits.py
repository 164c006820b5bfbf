"""Changes of protobuf messages, ONNX files among them, field by field."""

import sys

import numpy as np

from serve_runtime.bundle.protobuf_wire import field, fields

# Changes of a message: a list of (number, value).


def put(number, value, index=0):
    """Another value in the place of a field."""

    def change(parts):
        at = [i for i, (n, _) in enumerate(parts) if n == number][index]
        parts[at] = number, value

    return change


def add(number, value, at=None):
    """One more field: at the end, or before the field at position `at`."""
    return lambda parts: parts.insert(len(parts) if at is None else at, (number, value))


def drop(number, index=0):
    def change(parts):
        del parts[[i for i, (n, _) in enumerate(parts) if n == number][index]]

    return change


def swap(one, other):
    def change(parts):
        parts[one], parts[other] = parts[other], parts[one]

    return change


def edited(message, change, *path):
    """`message` with the message at `path`, pairs of field number and index, changed."""
    parts, start = [], 0
    for number, value, stop in fields(message, sys.maxsize):
        is_float = message[start] & 7 == 5
        parts.append((number, np.uint32(value).view(np.float32) if is_float else value))
        start = stop
    if path:
        (number, index), *rest = path
        at = [i for i, (n, _) in enumerate(parts) if n == number][index]
        parts[at] = number, edited(parts[at][1], change, *rest)
    else:
        change(parts)
    return b"".join(_field(number, value) for number, value in parts)


def _field(number, value):
    """A field; a value of float32 as the four bytes that it is."""
    if isinstance(value, np.float32):
        return bytes([number << 3 | 5]) + value.tobytes()
    return field(number, value)


def node(operator, inputs=("z",), output="extra", domain=None):
    texts = [field(1, name) for name in inputs] + [field(2, output), field(4, operator)]
    return b"".join(texts + ([field(7, domain)] if domain else []))


def tensor(name, values):
    values = np.asarray(values, np.float32)
    dims = b"".join(field(1, size) for size in values.shape)
    return dims + field(2, 1) + field(8, name) + field(9, values.astype("<f4").tobytes())
