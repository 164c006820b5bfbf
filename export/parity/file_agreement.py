"""Whether the files of a bundle agree: all carry the same card and hold the same values."""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from export.errors import BundleError
from export.formats.artifact import Artifact
from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
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


def agreed_affine(folder: Path, artifacts: Sequence[Artifact], card: ModelCard) -> Affine:
    """The values that all artifacts hold, bit for bit. Raises BundleError where two differ.

    The first artifact is an ONNX file: opening it has shown that its values are those that the card
    was made for.
    """
    width = len(card.feature_names)
    for artifact in artifacts:
        affine = artifact.affine
        for what, values in (("weights", affine.weight), ("centre", affine.center)):
            if values is not None and (values.shape != (width,) or values.dtype != np.float32):
                raise BundleError(
                    f"{folder / artifact.name}: the card names {width} features, the {what} have "
                    f"shape {values.shape} and type {values.dtype}; required: ({width},) float32"
                )
    first, *others = artifacts
    for artifact in others:
        require_same(folder / artifact.name, artifact.affine,
                     folder / first.name, first.affine, card)  # fmt: skip
    return first.affine


def require_same(
    path: Path, found: Affine, other_path: Path, other: Affine, card: ModelCard
) -> None:
    """Raise BundleError naming the first value in which two files differ, and both values."""
    values, expected = found.values, other.values
    if len(values) != len(expected):
        raise BundleError(f"{path} and {other_path}: one of them subtracts a centre, one does not")
    different = np.flatnonzero(_bits(values) != _bits(expected))
    if len(different):
        names = [f"the weight of {quoted(name)}" for name in card.feature_names]
        names += ["the bias", *(f"the centre of {quoted(name)}" for name in card.feature_names)]
        i = int(different[0])
        raise BundleError(
            f"{path}: {names[i]} is {values[i]!s}, in {other_path} it is {expected[i]!s}"
        )


def _bits(values: Float32) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return values.view(np.uint32)


def _first_difference(one: str, other: str) -> str:
    """The first field, in the card's own order, in which two card texts differ."""
    found, expected = json.loads(one), json.loads(other)
    for field in fields(ModelCard):
        pair = found.get(field.name), expected.get(field.name)
        if pair[0] != pair[1]:
            return f"{field.name} is {_short(pair[0])}, there it is {_short(pair[1])}"
    return "they differ only in how they are written"


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
