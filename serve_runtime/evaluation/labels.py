"""The values of a target column, and which of two classes each one means.

Training and evaluation both read labels through this module, so that a value means the same in
both, whether a table writes it as text, number or truth value.
"""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from serve_runtime.bundle.card import Label, label_type
from serve_runtime.errors import InputError
from serve_runtime.shown import quoted
from serve_runtime.tables.arrow import pa
from serve_runtime.tables.numbers import is_number, plain_numbers

_NO_LABEL = "data row {} has no label: drop the row or fill it"
_TOO_LARGE = "whole numbers as labels need 64 bits at most; data row {} holds {}: write texts"
_NO_SCALAR = "labels must be texts, finite numbers or true and false; data row {} holds {}"


def distinct_labels(values: Any) -> tuple[list[Any], npt.NDArray[np.int32]]:
    """The distinct values of an Arrow array, and the position of each row's among them (n,)."""
    try:
        found = _plain(values).dictionary_encode(null_encoding="encode")
    except pa.ArrowNotImplementedError:  # lists, and types that Arrow has no code for: no labels,
        return values.to_pylist(), np.arange(len(values), dtype=np.int32)  # as `refusal` says
    distinct = [_from_decimal(value) for value in found.dictionary.to_pylist()]
    return distinct, np.asarray(np.from_dlpack(found.indices), np.int32)


def _plain(values: Any) -> Any:
    """An Arrow array in a type whose distinct values Arrow can find, and Python has too."""
    data_type = values.type
    if is_number(data_type):
        values = plain_numbers(values)
        data_type = values.type
        if pa.types.is_decimal(data_type) and data_type.bit_width < 128:
            return values.cast(pa.decimal128(data_type.precision, data_type.scale))
        return values.cast(pa.float32()) if pa.types.is_float16(data_type) else values
    return values.cast(data_type.value_type) if pa.types.is_dictionary(data_type) else values


def _from_decimal(value: Any) -> Any:
    """A decimal as the number that it is; every other value as it is."""
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == value.to_integral_value() else float(value)


def refusal(value: Any, row: int) -> str | None:
    """Why `value`, in data row `row` (from 0), cannot be a label; None where it can."""
    if value is None or value == "" or value != value:
        return _NO_LABEL.format(row + 1)
    if isinstance(value, int) and label_type([int(value)]) is not int:
        return _TOO_LARGE.format(row + 1, quoted(value))
    if not isinstance(value, str | int | float) or value in (math.inf, -math.inf):
        return _NO_SCALAR.format(row + 1, quoted(value))
    return None


def as_number(value: Label | None) -> Label | None:
    """The number that `value` is or spells, a whole one as an int where 64 bits hold it; None where
    neither they nor float64 hold all its digits."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        return None  # Python's digit separator, and digits of other scripts: texts in a table
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        try:
            number = float(value)
        except ValueError:
            return None
    if isinstance(number, float):
        number = int(number) if number.is_integer() else number
    if label_type([number]) is int:
        return number
    try:
        return float(number) if label_type([float(number)]) and float(number) == number else None
    except OverflowError:
        return None


def class_of(value: Label, classes: Sequence[Label]) -> int | None:
    """The position among `classes` of the one that `value` means; None where it means neither.

    Numbers written as text count as numbers, and true and false as the texts that spell them, in
    upper or lower case, and as 1 and 0.
    """
    if isinstance(value, str) and value in classes:
        return classes.index(value)
    meant = _meaning(value)
    found = [position for position, label in enumerate(classes) if _meaning(label) == meant]
    return found[0] if len(found) == 1 else None


def without_full_stop(label: Label) -> Label | None:
    """A text without the full stop that ends it; None of others.

    Some test files end each label with one ("<=50K." for "<=50K"). It is ignored where all labels
    of a table end so, and none means a class otherwise.
    """
    return label[:-1] if isinstance(label, str) and label.endswith(".") else None


def _meaning(label: Label) -> Label:
    if (number := as_number(label)) is not None:
        return number
    return {"false": False, "true": True}.get(str(label).strip().casefold(), label)


class ClassReader:
    """Reads the target column of tables as 0 and 1: the two classes of a model, negative first.

    With `positive`, that label of the tables counts as 1 and the only other one as 0, whatever
    the model calls its `classes`.
    """

    def __init__(self, classes: Sequence[Label], positive: str | None = None) -> None:
        self._classes, self._positive = classes, positive
        self._negative: Label | None = None
        """With `positive`: the other label, once it was seen."""
        self._full_stop: bool | None = None
        """Whether labels end with a full stop that is ignored; None before the first label."""

    def read(self, values: Any, source: str, first: int) -> npt.NDArray[np.int8]:
        """The class of each row (n,) of an Arrow array, which begins with data row `first` (from
        0) of the table `source`.

        Raises InputError naming the first row that has no label, or another one.
        """
        labels, codes = distinct_labels(values)
        classes = np.empty(len(labels), np.int8)
        for code, label in enumerate(labels):  # in the order in which they first occur
            problem = refusal(label, 0)
            found = None if problem else self._known(label)
            if found is None:
                row = first + int((codes == code).argmax())
                raise InputError(
                    f"{source}: {refusal(label, row) or self._not_a_class(label, row)}"
                )
            classes[code] = found
        return classes[codes]

    def _known(self, label: Label) -> int | None:
        """The class of a label, with or without a full stop behind it, as the first one was."""
        plain = without_full_stop(label)
        if self._full_stop is None:
            self._full_stop = (
                self._positive is None
                and self._class_of(label) is None
                and plain is not None
                and self._class_of(plain) is not None
            )
        if not self._full_stop:
            return self._class_of(label)
        return None if plain is None else self._class_of(plain)

    def _class_of(self, label: Label) -> int | None:
        if self._positive is None:
            return class_of(label, self._classes)
        if class_of(label, [self._positive]) == 0:
            return 1
        if self._negative is None:
            self._negative = label
        return class_of(label, [self._negative])

    def _not_a_class(self, label: Label, row: int) -> str:
        """What to say of a label that is neither the positive nor the negative one."""
        known, remedy = (
            self._classes,
            (". Where the table spells them otherwise, say which one is positive, with --positive"),
        )
        if self._positive is not None and self._negative is not None:
            known, remedy = (self._negative, self._positive), ""
        negative, positive = (quoted(known_label) for known_label in known)
        return (
            f"data row {row + 1} has the label {quoted(label)}; labels must be {negative} or "
            f"{positive}{remedy}"
        )
