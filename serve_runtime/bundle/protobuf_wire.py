"""Protobuf's wire format (protobuf.dev, "Encoding"): as much of it as an ONNX file needs."""

from collections.abc import Iterator
from typing import Final


class WireError(ValueError):
    """Bytes that are no protobuf message, or one of absurdly many fields."""


MOST_FIELDS: Final = 256
"""In one message, where nothing else is said. The largest of a numeric model has 19; what has more
is refused before it costs time."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def fields(
    message: bytes | memoryview, most: int = MOST_FIELDS
) -> Iterator[tuple[int, int | memoryview, int]]:
    """Fields of a message in order: number, value, and the position at which the field ends.

    A value is a view of the message where it has a length (text, a message inside, raw data), so
    that nothing is copied; else an integer without a sign. Raises WireError where the bytes end
    too soon, make no field, or make more than `most`.
    """
    message = memoryview(message)
    position = count = 0
    while position < len(message):
        if (count := count + 1) > most:
            raise WireError(f"a message of more than {most} fields")
        key, position = _read_varint(message, position)
        value: int | memoryview
        if key & 7 == _VARINT:
            value, position = _read_varint(message, position)
        elif key & 7 == _BYTES:
            length, position = _read_varint(message, position)
            value, position = _read_bytes(message, position, length)
        elif key & 7 in (_FIXED32, _FIXED64):
            raw, position = _read_bytes(message, position, 4 if key & 7 == _FIXED32 else 8)
            value = int.from_bytes(raw, "little")
        else:
            raise WireError(f"wire type {key & 7}")
        yield key >> 3, value, position


def messages(message: bytes | memoryview, number: int, most: int = MOST_FIELDS) -> list[memoryview]:
    """Values of the fields `number` that have a length, in order; views of the message."""
    return [v for n, v, _ in fields(message, most) if n == number and isinstance(v, memoryview)]


def field(number: int, value: int | bytes | str) -> bytes:
    """One field: an integer >= 0 as a varint, text (UTF-8) and bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    payload = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | _BYTES) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[position : position + 10]):  # 10 groups hold 64 bits
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, position + index + 1
    raise WireError("a number that does not end")


def _read_bytes(message: memoryview, position: int, length: int) -> tuple[memoryview, int]:
    end = position + length
    if end > len(message):
        raise WireError("a field that is longer than its message")
    return message[position:end], end
