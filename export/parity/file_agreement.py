"""Whether the files of a bundle agree: all carry the same card and hold the same values."""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from export.errors import BundleError
from export.formats.artifact import Artifact
from export.parity.encoded_model import Model, affine_of, encoding_of, model_of
from serve_runtime.arrays import Array
from serve_runtime.bundle.affine import float32_of
from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.column import (
    CATEGORY,
    PRECISE,
    Column,
    categories_of,
    numbers_of,
)
from serve_runtime.shown import quoted

_LONGEST = 100
"""Most characters that a message shows of a card's value."""


def agreed_card(folder: Path, artifacts: Sequence[Artifact]) -> ModelCard:
    """The card that all artifacts carry. Raises BundleError where two differ."""
    first = artifacts[0]
    card = ModelCard.from_json(first.card, where=f"the card in {folder / first.name}")
    for artifact in artifacts[1:]:
        if artifact.card != first.card:
            where = f"the card in {folder / artifact.name}"
            ModelCard.from_json(
                artifact.card, where=where
            )  # raises CardError if it is damaged, rather than of another model
            raise BundleError(
                f"{folder / artifact.name} carries another card than {folder / first.name}: its "
                f"{_first_difference(artifact.card, first.card)}"
            )
    return card


def agreed_model(folder: Path, artifacts: Sequence[Artifact], card: ModelCard) -> Model:
    """The values that all artifacts hold, bit for bit. Raises BundleError where two differ.

    The first artifact is an ONNX file: opening it has shown that its values are those that the card
    was made for.
    """
    width = sum(column.kind != CATEGORY for column in card.columns)
    for artifact in artifacts:
        affine = artifact.affine
        for what, values in (("weights", affine.weight), ("centre", affine.center)):
            if values is not None and (values.shape != (width,) or values.dtype != np.float32):
                raise BundleError(
                    f"{folder / artifact.name}: the card names {width} features, the {what} have "
                    f"shape {values.shape} and type {values.dtype}; required: ({width},) float32"
                )
    first, *others = (
        (folder / artifact.name, model_of(artifact.affine, artifact.encoding))
        for artifact in artifacts
    )
    for path, model in others:
        require_same(path, model, *first, card)
    return first[1]


def require_same(path: Path, found: Model, other_path: Path, other: Model, card: ModelCard) -> None:
    """Raise BundleError naming the first value in which two files differ, and both values."""
    if (encoding_of(found) is None) != (encoding_of(other) is None):
        raise BundleError(f"{path} and {other_path}: one of them encodes columns, one does not")
    if (affine_of(found).center is None) != (affine_of(other).center is None):
        raise BundleError(f"{path} and {other_path}: one of them subtracts a centre, one does not")
    both, none = (_constants(found), _constants(other)), np.empty(0)
    for what in both[0] | both[1]:
        pair = [constants.get(what, none) for constants in both]
        if len(pair[0]) != len(pair[1]):
            raise BundleError(
                f"{path}: there are {len(pair[0])} of {what}, in {other_path} {len(pair[1])}"
            )
        different = np.flatnonzero(_bits(pair[0]) != _bits(pair[1]))
        if len(different):
            i = int(different[0])
            raise BundleError(
                f"{path}: {_named(what, i, card)} is {pair[0][i]!s}, in {other_path} it is "
                f"{pair[1][i]!s}"
            )


def _constants(model: Model) -> dict[str, Array]:
    """All constants by what they are of, in the order in which differences are told."""
    affine, encoding = affine_of(model), encoding_of(model)
    found: dict[str, Array] = {"weight": affine.weight, "bias": float32_of(affine.bias)}
    if affine.center is not None:
        found["centre"] = affine.center
    if encoding is not None:
        found |= {"float64 centre": encoding.center, "fill value": encoding.fill}
        found |= {"gap term": encoding.gap}
        found |= {f"table {i}": table for i, table in enumerate(encoding.tables)}
        for i, curve in enumerate(encoding.curves):
            found |= {f"knots {i}": curve.knots, f"values {i}": curve.value}
            found |= {f"slopes {i}": curve.slope}
    return found


def _named(what: str, i: int, card: ModelCard) -> str:
    """What constant `i` of these is called in messages."""
    numbers = numbers_of(card.columns)
    if what == "bias":
        return "the bias"
    if what == "float64 centre":
        numbers = tuple(column for column in numbers if column.kind == PRECISE)
    kind, _, which = what.partition(" ")
    if kind == "table":
        column = categories_of(card.columns)[int(which)]
        texts = ["unknown", *map(quoted, column.levels), "missing", "rare"]
        return f"the weight of {quoted(column.name)} = {texts[i]}"
    if kind in ("knots", "values", "slopes"):
        column = [column for column in numbers if column.knots][int(which)]
        return f"{kind.removesuffix('s')} {i} of the curve of {quoted(column.name)}"
    return f"the {what} of {quoted(numbers[i].name)}"


def _bits(values: Array) -> Array:
    return values.view(np.dtype(f"u{values.dtype.itemsize}"))


def _first_difference(one: str, other: str) -> str:
    """The first field, in the card's own order, in which two card texts differ; of the columns, the
    first that does."""
    found, expected = json.loads(one), json.loads(other)
    for field in fields(ModelCard):
        pair = found.get(field.name), expected.get(field.name)
        if pair[0] == pair[1]:
            continue
        if field.name == "columns" and all(isinstance(columns, list) for columns in pair):
            return _column_difference(*pair)
        return f"{field.name} is {_short(pair[0])}, there it is {_short(pair[1])}"
    return "they differ only in how they are written"


def _column_difference(found: list[Any], expected: list[Any]) -> str:
    if len(found) != len(expected):
        return f"columns are {len(found)}, there they are {len(expected)}"
    i = next(i for i, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1])
    one, other = dict(found[i]), dict(expected[i])
    names = one.get("name"), other.get("name")
    if names[0] != names[1]:
        return f"column {i} is {quoted(names[0])}, there it is {quoted(names[1])}"
    keys = (f.name for f in fields(Column))
    key = next(key for key in keys if one.get(key) != other.get(key))
    values: tuple[Any, Any] = one.get(key), other.get(key)
    what = f"column {quoted(names[0])}: its {key}"
    if all(isinstance(value, list) for value in values) and len(values[0]) == len(values[1]):
        at = next(j for j, pair in enumerate(zip(*values, strict=True)) if pair[0] != pair[1])
        what, values = f"{what}, entry {at},", (values[0][at], values[1][at])
    return f"{what} is {_short(values[0])}, there it is {_short(values[1])}"


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
