"""The section of a recipe on the model and how much each class counts."""

from dataclasses import dataclass
from typing import Any

from train.errors import RecipeError
from train.recipe.key_declaration import NUMBER, key

_LEAST, _MOST = 1e-9, 1e9
"""Of the weight of a class: float32 holds all ratios of such numbers."""


def class_weights(text: str) -> Any:
    """From "LABEL=NUMBER,…" to a table of numbers; another text as it is."""
    pairs = [pair.rpartition("=") for pair in text.split(",")]
    try:
        return {label: float(number) for label, _, number in pairs if label} or text
    except ValueError:
        return text


def _is_calibration(value: str) -> bool:
    if value == "isotonic":
        raise RecipeError(
            'model.calibrate = "isotonic" is not offered: its steps give many rows the same score '
            'and no logit, so the model would be no sum any more; use "platt"'
        )
    return value in ("auto", "platt", "none")


def _are_class_weights(value: Any) -> bool:
    if isinstance(value, str):
        return value == "balanced"
    return bool(value) and all(
        isinstance(number, NUMBER) and not isinstance(number, bool) and _LEAST <= number <= _MOST
        for number in value.values()
    )


@dataclass(frozen=True)
class Model:
    """The model before training: one linear layer and a sigmoid."""

    init: str | dict[str, Any] = key(
        "default", (str, dict), "default, zeros, or {weight = [[…]], bias = […]}",
        "First weights.",
        fits=lambda v: (
            v in ("default", "zeros") if isinstance(v, str) else v.keys() == {"weight", "bias"}
        ),
        flag="--init", choices=("default", "zeros"),
        more='"default" is that of torch.nn.Linear. Given values are those of the layer that is '
        "trained: for standardised features, where standardize is true.",
    )  # fmt: skip
    standardize: bool = key(
        True, bool, "true or false", "Train on standardised features.",
        flag="--standardize/--no-standardize",
        more="From each value the feature's mean is subtracted, and the result is divided by the "
        "standard deviation. Afterwards both are folded into the weights, so that the model takes "
        "features as they are.",
    )  # fmt: skip
    class_weight: str | dict[str, float] | None = key(
        None, (str, dict), '"balanced", or {label = number, …} with numbers from 10⁻⁹ to 10⁹',
        "How much rows of a class count: balanced, or numbers.",
        fits=_are_class_weights, flag="--class-weight", metavar="balanced|LABEL=NUMBER[,…]",
        parse=class_weights, shown="none: 1 each",
        more='It multiplies the weights of the rows. With "balanced" both classes count alike. A '
        "label without a number has 1.",
    )  # fmt: skip
    prior_correction: bool | None = key(
        None, bool, "true or false", "Keep probabilities those of the data.",
        flag="--prior-correction/--no-prior-correction", shown="true where classes have weights",
        more="Weights of classes raise every logit by log(w₊/w₋), which is taken from the "
        "intercept again.",
    )  # fmt: skip
    calibrate: str = key(
        "auto", str, "auto, platt or none", "Whether to mend probabilities.",
        fits=_is_calibration, flag="--calibrate", metavar="auto|platt|none",
        more="Platt's step: logits become slope · logit + intercept, as scores of rows that were "
        'left out say, which is folded into the weights. "auto" takes it where the penalty is '
        'chosen by folds and it lowers the log loss of rows that it was not fitted on; "platt" '
        "wherever there is one. Isotonic regression is not offered: its steps give many rows the "
        "same score and no logit, so the model would be no sum any more.",
    )  # fmt: skip
    seed: int = key(
        1, int, "a whole number from 0 to 2³² - 1", "Seed of all that is random.",
        fits=lambda v: 0 <= v < 2**32, flag="--seed",
        more="That is the first weights, the rows held out, the order of mini-batches and the "
        "simulation.",
    )  # fmt: skip
