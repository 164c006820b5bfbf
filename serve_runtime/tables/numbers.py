"""Arrow columns as float32 or float64: the one place where a table's value becomes a number.

A value becomes the nearest number, whatever its type: integers and float64 are rounded once, true
and false are 1 and 0, decimals are rounded exactly.
"""

from typing import Any

import numpy as np

from serve_runtime.features.dictionaries import is_bool8
from serve_runtime.features.precise import precise_numbers
from serve_runtime.inputs.decimals import nearest_floats
from serve_runtime.shown import quoted
from serve_runtime.tables.arrow import pa, pc


def is_number(data_type: Any) -> bool:
    """Whether a column of this Arrow type holds numbers, or true and false.

    Dictionaries of them, and Arrow's bool8, count too; dates, times and texts do not.
    """
    data_type = _stored(data_type)
    return bool(
        pa.types.is_integer(data_type)
        or pa.types.is_floating(data_type)
        or pa.types.is_decimal(data_type)
        or pa.types.is_boolean(data_type)
    )


def may_be_numbers(data_type: Any) -> bool:
    """Whether a column of this Arrow type may stand where numbers are: it holds some, or nothing
    but missing values."""
    return is_number(data_type) or bool(pa.types.is_null(_stored(data_type)))


def is_moment(data_type: Any) -> bool:
    """Whether a column of this Arrow type holds dates or timestamps."""
    data_type = _stored(data_type)
    return bool(pa.types.is_timestamp(data_type) or pa.types.is_date(data_type))


def is_level(data_type: Any) -> bool:
    """Whether a column of this Arrow type may hold levels of a category: texts, numbers, truths, or
    nothing but missing values; dictionaries of them too."""
    return holds_texts(data_type) or may_be_numbers(data_type)


def holds_texts(data_type: Any) -> bool:
    """Whether a column of this Arrow type holds texts, perhaps in a dictionary."""
    return is_text_type(_stored(data_type))


def is_text_type(data_type: Any) -> bool:
    """Whether it is one of Arrow's types of text."""
    return bool(
        pa.types.is_string(data_type)
        or pa.types.is_large_string(data_type)
        or pa.types.is_string_view(data_type)
    )


def to_precise(column: Any, name: str, *, time: bool = False) -> Any:
    """An Arrow array of numbers as float64, each value the nearest, null where it is missing; of a
    column of `time` also dates and timestamps, as seconds since 1970.

    Raises InputError for float32 with fractions."""
    column = plain_numbers(column)
    found = from_numpy(precise_numbers(column, f"feature {quoted(name)}", time=time))
    return pc.if_else(column.is_valid(), found, pa.scalar(None, pa.float64()))


def plain_numbers(column: Any) -> Any:
    """An Arrow array of numbers without wrapping: a dictionary's values, bool8 as bool, and of
    missing values alone, float64."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    elif pa.types.is_run_end_encoded(column.type):
        column = pc.run_end_decode(column)
    if is_bool8(column.type):
        column = pc.not_equal(column.storage, pa.scalar(0, pa.int8()))
    return column.cast(pa.float64()) if pa.types.is_null(column.type) else column


def to_floats(column: Any, number_type: Any) -> Any:
    """An Arrow array of numbers as `number_type`, float32 or float64: each value the nearest, null
    where it is missing."""
    column = plain_numbers(column)
    if not pa.types.is_decimal(column.type):
        return column.cast(number_type, safe=False)
    values = nearest_floats(column, number_type.to_pandas_dtype())
    found = from_numpy(values)
    if column.null_count:
        found = pc.if_else(column.is_valid(), found, pa.scalar(None, number_type))
    return found


def from_numpy(values: np.ndarray[Any, Any]) -> Any:
    """A contiguous numpy array of numbers as an Arrow array that shares its memory.

    pa.array would import pandas where it is installed, which takes 0.3 s and 45 MB.
    """
    data_type = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(data_type, len(values), [None, pa.py_buffer(values)])


def _stored(data_type: Any) -> Any:
    """The type of the values of a wrapped type."""
    if pa.types.is_dictionary(data_type) or pa.types.is_run_end_encoded(data_type):
        data_type = data_type.value_type
    return pa.bool_() if is_bool8(data_type) else data_type
