"""What the types of Parquet columns hold."""

from typing import Any

from serve_runtime.shown import quoted
from serve_runtime.tables.arrow import pa
from serve_runtime.tables.numbers import is_moment, is_number
from train.errors import DataError
from train.tables.remedies import drop_remedy

NUMBERS, TEXTS, TIMES = "numbers", "texts", "times"
"""What a type of Parquet holds: numbers, true and false; texts; dates or timestamps."""

NARROW = {
    pa.bool_(), pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.float16(), pa.float32()
}  # fmt: skip
"""Types of which float32 holds all values."""


def kind_of(path: str, name: str, data_type: Any) -> str:
    """What a type of Parquet holds. Raises DataError where nothing can be learned from it."""
    inner = data_type.value_type if pa.types.is_dictionary(data_type) else data_type
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if any(is_text(inner) for is_text in texts):
        return TEXTS
    if is_moment(inner):
        return TIMES
    if is_number(inner):
        return NUMBERS
    if pa.types.is_null(inner):
        raise DataError(
            f"{path}: every value is missing in {quoted(name)}: nothing can be learned from that. "
            f"{drop_remedy([name])}"
        )
    raise DataError(
        f"{path}: column {quoted(name)} ({data_type!s:.60}) holds neither numbers nor texts. "
        f"{drop_remedy([name])}"
    )
