"""Cards that differ between the files of a bundle, or tell of other models or other scores."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from re import compile as pattern

import numpy as np

from pipeline.export.bundle_files import (
    MODELS,
    SWAPPED,
    affine_of,
    card_of,
    one_up,
    recertify,
    up,
    write_card,
    write_models,
)
from pipeline.export.damage.damages import Text, damage
from serve_runtime import ArtifactError, SelfTestError
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.error_budgets import sigmoid
from serve_runtime.features.column import number_columns

# One file carries another card than the others.

Change = Callable[[ModelCard], ModelCard]


def _reordered(card: ModelCard) -> ModelCard:
    return replace(card, columns=(card.columns[1], card.columns[0], *card.columns[2:]))


def _other_ranges(card: ModelCard) -> ModelCard:
    return replace(card, columns=number_columns(card.feature_names, card.feature_min, (9.0,) * 5))


CARDS: dict[str, tuple[Change, str, str]] = {
    "the features reordered": (_reordered, "'c1'", "'c0'"),
    "the threshold altered": (lambda card: replace(card, threshold=0.4), ' 0.4', ' 0.5'),
    "the classes swapped": (
        lambda card: replace(card, classes=("yes", "no")), '["yes", "no"]', '["no", "yes"]',
    ),
    "the golden rows removed": (lambda card: replace(card, golden=()), ' []', ' [{'),
    "the range of a feature altered": (_other_ranges, " 9.0", ""),
}  # fmt: skip
"""The change, and what the message shows of the altered card and of the true one."""

for _what, (_change, _altered, _true) in CARDS.items():
    for _name in MODELS:

        @damage(f"{_what} in the card of {_name}")
        def _(
            bundle: Path,
            name: str = _name,
            change: Change = _change,
            altered: str = _altered,
            true: str = _true,
        ) -> Sequence[Text]:
            write_card(bundle, name, change(card_of(bundle)))
            if name == "model.onnx":  # the first that is read, so the second is the one named
                return "model.columnar.onnx", "carries another card than", name, true, altered
            return name, "carries another card than", "model.onnx", altered, true


# All files agree with one another, and not with their own card.

VALUES: dict[str, Callable[[Affine], Affine]] = {
    "a weight off by 1 ULP": lambda a: replace(a, weight=one_up(a.weight, 3)),
    "the bias off by 1 ULP": lambda a: replace(a, bias=float(up(a.bias))),
    "two features swapped": lambda a: replace(a, weight=a.weight[SWAPPED]),
    "the bias dropped": lambda a: replace(a, bias=0.0),
    "weights cast to float16": lambda a: replace(
        a, weight=a.weight.astype(np.float16).astype(np.float32)
    ),
}

for _what, _change in VALUES.items():

    @damage(f"{_what} in all models", ArtifactError)
    def _(bundle: Path, change: Callable[[Affine], Affine] = _change) -> Sequence[Text]:
        true = affine_of(bundle)
        write_models(bundle, change(true))
        held, made_for = change(true).sha256()[:12], true.sha256()[:12]
        return (f"onnx holds the weights {held}…, its card was made for {made_for}…",)


@damage("two features swapped in all models, and the digest forged", SelfTestError)
def _(bundle: Path) -> Sequence[Text]:
    true = affine_of(bundle)
    swapped = replace(true, weight=true.weight[SWAPPED])
    write_models(bundle, swapped, replace(card_of(bundle), weights_sha256=swapped.sha256()))
    return (pattern(r"golden row \d, rows layout: logit"),)


for _row in (0, 7):

    @damage(f"another logit of golden row {_row}", SelfTestError)
    def _(bundle: Path, row: int = _row) -> Sequence[Text]:
        card = card_of(bundle)
        golden = list(card.golden)
        true = np.float32(golden[row].logit)
        logit = true + np.float32(0.01)
        probability = float(sigmoid(np.array([logit]))[0])
        golden[row] = replace(golden[row], logit=float(logit), probability=probability)
        write_models(bundle, card=replace(card, golden=tuple(golden)))
        return (f"golden row {row}, rows layout: logit {true!r}, expected {logit!r} ±",)


@damage("another probability of a golden row", SelfTestError)
def _(bundle: Path) -> Sequence[Text]:
    card = card_of(bundle)
    altered = replace(card.golden[1], probability=card.golden[1].probability + 1e-5)
    golden = (card.golden[0], altered, *card.golden[2:])
    write_models(bundle, card=replace(card, golden=golden))
    return ("a golden row contradicts itself",)


@damage("golden rows removed from every card", SelfTestError)
def _(bundle: Path) -> Sequence[Text]:
    write_models(bundle, card=replace(card_of(bundle), golden=()))
    return ("the card has no golden rows",)


@damage("golden rows that allow every logit")
def _(bundle: Path) -> Sequence[Text]:
    """With such bounds a machine that scores anything passes the self-test."""
    card = card_of(bundle)
    golden = tuple(replace(row, logit_bound=1e9) for row in card.golden)
    write_models(bundle, card=replace(card, golden=golden))
    recertify(bundle)
    return ("golden row 0 of the card allows its logit 1e+09, its a-priori bound is",)


# All files agree, and not with their certificate.

ALTERED: dict[str, Change] = {
    "features reordered": _reordered,
    "classes swapped": lambda c: replace(c, classes=("yes", "no")),
    "threshold altered": lambda c: replace(c, threshold=0.4),
    "ranges altered": _other_ranges,
    "training altered": lambda c: replace(c, training={**c.training, "rows": 1}),
    "a golden row removed": lambda c: replace(c, golden=c.golden[:-1]),
}

for _what, _alter in ALTERED.items():

    @damage(f"{_what} in the card of every model")
    def _(bundle: Path, alter: Callable[[ModelCard], ModelCard] = _alter) -> Sequence[Text]:
        write_models(bundle, card=alter(card_of(bundle)))
        return pattern(r"certifies model\.columnar\.onnx with .*another b"), ""
