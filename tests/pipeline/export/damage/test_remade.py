"""What no check of a bundle can tell: that all of it was made anew, of another model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export import certificate
from export.verify import verify_bundle
from pipeline.export.bundle_files import affine_of, card_of, forge
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.manifest import CERTIFICATE


def reordered(card: ModelCard) -> ModelCard:
    return replace(card, columns=(card.columns[1], card.columns[0], *card.columns[2:]))


def swapped_classes(card: ModelCard) -> ModelCard:
    return replace(card, classes=(card.classes[1], card.classes[0]))


def other_threshold(card: ModelCard) -> ModelCard:
    return replace(card, threshold=0.25)


def fewer_golden_rows(card: ModelCard) -> ModelCard:
    return replace(card, golden=card.golden[:3])


@pytest.mark.parametrize("change", [reordered, swapped_classes, other_threshold, fewer_golden_rows])
def test_another_card_in_all_files_makes_another_bundle(
    bundle: Path, change: Callable[[ModelCard], ModelCard]
) -> None:
    """Nothing in the weights says what the features and classes are called or where to cut.

    Whoever makes all files anew, with the functions that export uses, has made a bundle of
    another model, and a sound one. Digests show damage; only a signature could show who wrote
    them, and bundles carry none.
    """
    card = change(card_of(bundle))
    forge(bundle, card=card)
    found = verify_bundle(bundle).card
    assert found.feature_names == card.feature_names
    assert found.classes == card.classes
    assert found.threshold == card.threshold
    assert len(found.golden) == len(card.golden)


def test_other_weights_in_all_files_make_another_bundle(bundle: Path) -> None:
    """As above: with the trained model in the certificate replaced too, nothing is left of the
    model that was trained, and nothing could tell of it."""
    trained = certificate.read(bundle / CERTIFICATE).trained
    trained = replace(trained, weight=trained.weight[[1, 0, 2, 3, 4]])
    forge(bundle, affine=trained.affine(), trained=trained)
    assert np.array_equal(verify_bundle(bundle).affine.weight, trained.weight)
    assert not np.array_equal(affine_of(bundle).weight[:2], trained.weight[[1, 0]])
