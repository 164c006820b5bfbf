"""Fields are read as they were written."""

import pytest

from serve_runtime.bundle.protobuf_wire import WireError, field, fields


def test_fields_survive_the_wire():
    values = [(1, 0), (2, 127), (15, 128), (16, (1 << 64) - 1), (2047, b""), (3, b"\0" * 200)]
    message = b"".join(field(number, value) for number, value in values)
    assert [(number, value) for number, value, _ in fields(message)] == values
    assert [stop for _, _, stop in fields(message)][-1] == len(message)
    assert field(1, "é") == field(1, "é".encode())
    assert [v for _, v, _ in fields(b"\x0d\1\0\0\0\x09\2\0\0\0\0\0\0\0")] == [1, 2]
    with pytest.raises(WireError, match="longer than its message"):
        list(fields(message[:-1]))
