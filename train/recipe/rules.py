"""What each value of a recipe must be."""

import math
from typing import Any

from train.errors import RecipeError
from train.memory_budget import parse

SCHEDULES = (
    "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR", "LinearLR",
    "MultiStepLR", "PolynomialLR", "StepLR",
)  # fmt: skip
"""Schedulers of torch.optim.lr_scheduler that need nothing but the optimiser."""


def _is_text(path: str) -> bool:
    """Not empty, and writable into a recipe: a file name that is no UTF-8 has lone surrogates."""
    return bool(path) and not any("\ud800" <= c <= "\udfff" for c in path)


# What a value must be: the types that TOML may give, a check, and how a message says it.
_number = (int, float)
_LARGEST = (2 - 2**-23) * 2.0**127
_MOST_POINTS = 10**8
_RULES: dict[str, tuple[tuple[type, ...], Any, str]] = {
    "data.file": ((str,), _is_text, "a path, in UTF-8"),
    "data.points": ((dict,), lambda v: v.keys() == {"x", "y"}, "{x = [[…], …], y = […]}"),
    "data.simulate": (
        (dict,),
        lambda v: _is_line(v),
        "{n, low, high, w0, w1}, numbers, a whole n >= 2, low < high, n <= 10⁸",
    ),
    "data.builtin": ((str,), bool, "the name of a scikit-learn data set"),
    "data.target": ((str, int), lambda v: True, "a column's name or position"),
    "data.positive": ((str, int, float, bool), lambda v: True, "a label"),
    "data.header": ((bool,), lambda v: True, "true or false"),
    "data.features": ((list,), lambda v: v and all(isinstance(n, str) for n in v), "column names"),
    "data.drop": ((list,), lambda v: all(isinstance(n, str) for n in v), "column names"),
    "data.memory": ((str,), lambda v: bool(parse(v)), 'a size such as "8GB" or "512MiB"'),
    "data.holdout": (
        (int, float, str),
        lambda v: _is_text(v) if isinstance(v, str) else 0 <= v < 1,
        "a fraction from 0 to less than 1, or a path",
    ),
    "model.init": (
        (str, dict),
        lambda v: (
            v in ("default", "zeros") if isinstance(v, str) else v.keys() == {"weight", "bias"}
        ),
        "default, zeros, or {weight = [[…]], bias = […]}",
    ),
    "model.standardize": ((bool,), lambda v: True, "true or false"),
    "model.seed": ((int,), lambda v: 0 <= v < 2**32, "a whole number from 0 to 2³² - 1"),
    "optimizer.loss": ((str,), lambda v: v in ("bce", "mse"), "bce or mse"),
    "optimizer.lr": (
        (*_number, str),
        lambda v: v == "auto" if isinstance(v, str) else 0 < v <= _LARGEST,
        "auto, or a number above 0, in float32",
    ),
    "optimizer.schedule": (
        (dict,),
        lambda v: v.get("name") in SCHEDULES,
        f"{{name = …, …}} with one of the names {', '.join(SCHEDULES)}",
    ),
    "optimizer.epochs": ((int,), lambda v: v >= 1, "a whole number, 1 or more"),
    "optimizer.batch_size": ((int,), lambda v: v >= 0, "a whole number, 0 for all rows"),
    "optimizer.momentum": (
        (*_number, str),
        lambda v: v == "auto" if isinstance(v, str) else 0 <= v < 1,
        "auto, or a number from 0 to less than 1",
    ),
    "optimizer.nesterov": ((bool,), lambda v: True, "true or false"),
    "optimizer.tolerance": (
        (*_number, str),
        lambda v: v == "auto" if isinstance(v, str) else 0 <= v < math.inf,
        "auto, or a number, 0 or more",
    ),
    "optimizer.patience": ((int,), lambda v: v >= 0, "a whole number, 0 for never"),
    "optimizer.weight_decay": (
        _number,
        lambda v: 0 <= v <= _LARGEST,
        "a number, 0 or more, in float32",
    ),
    "optimizer.device": ((str,), lambda v: v in ("auto", "cpu", "cuda"), "auto, cpu or cuda"),
    "log.every": ((int,), lambda v: v >= 1, "a whole number, 1 or more"),
    "log.checkpoint_every": ((int,), lambda v: v >= 0, "a whole number, 0 for never"),
}


def check(name: str, value: Any) -> None:
    """Raise RecipeError unless `value` fits the key `name`, written section.key."""
    types, check, wanted = _RULES[name]
    fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
    if not (fits and check(value)):
        raise RecipeError(f"{name} must be {wanted}; got {value!r}")


def _is_line(simulate: dict[str, Any]) -> bool:
    return (
        simulate.keys() == {"n", "low", "high", "w0", "w1"}
        and all(isinstance(v, _number) and math.isfinite(v) for v in simulate.values())
        and isinstance(simulate["n"], int)
        and 2 <= simulate["n"] <= _MOST_POINTS
        and math.isfinite(simulate["high"] - simulate["low"])
        and simulate["low"] < simulate["high"]
    )
