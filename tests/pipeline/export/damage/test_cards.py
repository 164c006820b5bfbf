"""Cards that differ between the files of a bundle, or tell of other models or other scores."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.errors import BundleError
from export.verify import verify_bundle
from pipeline.export.bundle_files import (
    MODELS,
    affine_of,
    card_of,
    one_up,
    reseal,
    up,
    write_card,
    write_models,
)
from serve_runtime import ArtifactError, SelfTestError
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.error_budgets import sigmoid

SWAPPED = [1, 0, 2, 3, 4]

CARDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "the features reordered": (
        {"feature_names": ("c1", "c0", "c2", "c3", "c4")}, '["c1", "c0"', '["c0", "c1"',
    ),
    "the threshold altered": ({"threshold": 0.4}, ' 0.4', ' 0.5'),
    "the classes swapped": ({"classes": ("yes", "no")}, '["yes", "no"]', '["no", "yes"]'),
    "the golden rows removed": ({"golden": ()}, ' []', ' [{'),
    "the range of a feature altered": (
        {"feature_max": (9.0, 9.0, 9.0, 9.0, 9.0)}, ' [9.0', ' [',
    ),
}  # fmt: skip
"""By damage: the change, and what the message shows of the altered card and of the true one."""


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("what", CARDS)
def test_a_card_changed_in_one_model_is_told_by_both_values(
    bundle: Path, name: str, what: str
) -> None:
    changes, altered, true = CARDS[what]
    write_card(bundle, name, replace(card_of(bundle), **changes))
    texts = [name, "carries another card than", "model.onnx", altered, true]
    if name == "model.onnx":  # the first that is read, so the second is the one named
        texts = ["model.columnar.onnx", "carries another card than", "model.onnx", true, altered]
    with pytest.raises(BundleError, match=".*".join(map(re.escape, texts))):
        verify_bundle(bundle)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_another_bundle_is_told_by_its_card(
    bundle: Path, other: Path, name: str
) -> None:
    shutil.copy(other / name, bundle)
    reseal(bundle)
    named = "model.columnar.onnx" if name == "model.onnx" else name
    with pytest.raises(BundleError, match=rf"{named} carries .*model\.onnx: its feature_min is"):
        verify_bundle(bundle)


# All files agree with one another, and not with their own card.


@pytest.mark.parametrize(
    "change",
    [
        lambda a: replace(a, weight=one_up(a.weight, 3)),
        lambda a: replace(a, bias=float(up(a.bias))),
        lambda a: replace(a, weight=a.weight[SWAPPED]),
        lambda a: replace(a, bias=0.0),
        lambda a: replace(a, weight=a.weight.astype(np.float16).astype(np.float32)),
    ],
    ids=["weight 1 ULP", "bias 1 ULP", "features swapped", "bias dropped", "float16 weights"],
)
def test_other_values_in_all_models_are_told_by_both_digests(
    bundle: Path, change: Callable[[Affine], Affine]
) -> None:
    true = affine_of(bundle)
    write_models(bundle, change(true))
    held, made_for = change(true).sha256()[:12], true.sha256()[:12]
    with pytest.raises(
        ArtifactError, match=f"onnx holds the weights {held}…, its card was made for {made_for}…"
    ):
        verify_bundle(bundle)


def test_golden_rows_notice_swapped_features_whose_digests_were_forged(bundle: Path) -> None:
    true = affine_of(bundle)
    swapped = replace(true, weight=true.weight[SWAPPED])
    card = replace(card_of(bundle), weights_sha256=swapped.sha256())
    write_models(bundle, swapped, card)
    with pytest.raises(SelfTestError, match=r"golden row \d, rows layout: logit"):
        verify_bundle(bundle)


@pytest.mark.parametrize("row", [0, 7])
def test_a_stale_golden_row_is_told_by_both_logits(bundle: Path, row: int) -> None:
    card = card_of(bundle)
    golden = list(card.golden)
    true = np.float32(golden[row].logit)
    logit = true + np.float32(0.01)
    golden[row] = replace(
        golden[row], logit=float(logit), probability=float(sigmoid(np.array([logit]))[0])
    )
    write_models(bundle, card=replace(card, golden=tuple(golden)))
    with pytest.raises(
        SelfTestError,
        match=re.escape(f"golden row {row}, rows layout: logit {true!r}, expected {logit!r} ±"),
    ):
        verify_bundle(bundle)


def test_a_golden_probability_that_was_altered_contradicts_its_logit(bundle: Path) -> None:
    card = card_of(bundle)
    altered = replace(card.golden[1], probability=card.golden[1].probability + 1e-5)
    golden = (card.golden[0], altered, *card.golden[2:])
    write_models(bundle, card=replace(card, golden=golden))
    with pytest.raises(SelfTestError, match="a golden row contradicts itself"):
        verify_bundle(bundle)


def test_golden_rows_removed_from_every_card_are_missed(bundle: Path) -> None:
    write_models(bundle, card=replace(card_of(bundle), golden=()))
    with pytest.raises(SelfTestError, match="the card has no golden rows"):
        verify_bundle(bundle)


# All files agree, and not with their certificate.

ALTERED: dict[str, Callable[[ModelCard], ModelCard]] = {
    "features reordered": lambda c: replace(c, feature_names=("c1", "c0", "c2", "c3", "c4")),
    "classes swapped": lambda c: replace(c, classes=("yes", "no")),
    "threshold altered": lambda c: replace(c, threshold=0.4),
    "ranges altered": lambda c: replace(c, feature_max=(9.0,) * 5),
    "training altered": lambda c: replace(c, training={**c.training, "rows": 1}),
    "a golden row removed": lambda c: replace(c, golden=c.golden[:-1]),
}


@pytest.mark.parametrize("what", ALTERED)
def test_a_card_changed_in_every_model_does_not_fit_the_certificate(
    bundle: Path, what: str
) -> None:
    write_models(bundle, card=ALTERED[what](card_of(bundle)))
    with pytest.raises(BundleError, match=r"certifies model\.columnar\.onnx with .*another b"):
        verify_bundle(bundle)
