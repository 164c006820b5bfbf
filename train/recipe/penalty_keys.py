"""The section of a recipe on the penalty, and on how it is chosen."""

from dataclasses import dataclass

from train.recipe.key_declaration import FLOAT32_MAX, NUMBER, auto_or, key, number_or_text

FOLDS = 5
"""Folds where nothing else is said."""


def _is_strength(value: float) -> bool:
    return 0 <= value <= FLOAT32_MAX


@dataclass(frozen=True)
class Penalty:
    """What large weights cost: those of standardised numbers and of levels, never the bias.

    The cost is the mean over rows, plus l2 / 2 times the sum of the squared weights, plus l1 times
    the sum of their magnitudes. In scikit-learn's terms C = 1 / (rows · (l1 + l2)) and
    l1_ratio = l1 / (l1 + l2).
    """

    l2: float | str | None = key(
        None, (*NUMBER, str), "auto, or a number, 0 or more, in float32", "L2 penalty, or auto.",
        fits=auto_or(_is_strength), flag="--l2", metavar="NUMBER|auto", parse=number_or_text,
        shown='"auto" where lr is, loss = "bce" and no l1 or weight_decay is said; else 0',
        more='"auto" takes the strength with the lowest mean log loss on rows that were left out, '
        "fold by fold.",
    )  # fmt: skip
    l1: float | None = key(
        None, NUMBER, "a number, 0 or more, in float32", "L1 penalty: weights of 0.",
        fits=_is_strength, flag="--l1", metavar="NUMBER", parse=float, shown="0",
        more='Together with l2 it is the elastic net. It needs lr = "auto", full batches and '
        'loss = "bce".',
    )  # fmt: skip
    folds: int | None = key(
        None, int, "a whole number from 2 to 100", "Folds: parts left out in turn.",
        fits=lambda v: 2 <= v <= 100, flag="--folds",
        shown=f'{FOLDS} where l2 = "auto"; else none',
        more="Each of the parts is left out of a fit in turn, and the fit is measured on it. Said "
        "with a penalty in numbers, it measures that penalty.",
    )  # fmt: skip
