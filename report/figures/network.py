"""The network as it is taught: what goes in, one linear layer, the sigmoid, a probability.

Nothing here knows of runs or bundles, so that any page can draw its network.
"""

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from report.figures.graph.boxes import DATA, RESULT, Box, draw

Lane = Sequence[Box]
"""Columns of one kind, and the steps that they go through one after the other."""

_MOST_INPUTS: Final = 5
"""Of a neuron; of more, the first ones and the last one are drawn."""


def features(names: Sequence[str], title: str = "X", flows: str = "") -> Box:
    """The box of the columns `names`: the first ones and how many there are."""
    shown, more = list(names[:3]), len(names) - 3
    lines = (*shown, f"… and {more:,} more") if more > 0 else tuple(shown)
    return Box(title, lines, DATA, flows or f"n × {len(names):,}")


def network(
    key: str,
    weighted: Sequence[Lane],
    width: int,
    *,
    added: Sequence[Lane] = (),
    answer: str = "",
) -> Markup:
    """X → Linear → Sigmoid → ŷ, with the shapes for n rows.

    `weighted` are the lanes that the linear layer of `width` weights takes, `added` those of which
    each gives terms that are added to its bias; `answer` says what ŷ is the probability of.
    """
    boxes: dict[str, Box] = {}
    arrows: list[tuple[str, str]] = []
    bias, into = "bias", {"linear": weighted, "sum": added}
    if added:
        boxes["sum"] = Box("Sum", ("bias + terms",), flows="offset n × 1" if width else _LOGIT)
        bias = "+ offset"
    for target, lanes in into.items():
        for i, lane in enumerate(lanes):
            names = [f"{target} {i} {j}" for j in range(len(lane))]
            boxes |= dict(zip(names, lane, strict=True))
            arrows += zip(names, [*names[1:], target], strict=True)
    if width:
        count = f"{width + (not added):,} parameters"
        lines = (f"{width:,} → 1", f"weights 1 × {width:,}, {bias}", *([] if added else [count]))
        boxes["linear"] = Box("Linear", lines, flows=_LOGIT)
        if added:
            arrows.append(("sum", "linear"))
    boxes |= _SIGMOID | {"result": _result(answer)}
    arrows += [("linear" if width else "sum", "sigmoid"), ("sigmoid", "result")]
    return draw(key, "The network", _told(weighted, added, width), boxes, arrows)


def neuron(
    key: str, names: Sequence[str], weights: Sequence[str] = (), *, answer: str = ""
) -> Markup:
    """The same as one neuron: each input on an arrow of its own, with its weight beside it."""
    shown = list(range(len(names)))
    if len(names) > _MOST_INPUTS:
        shown = [*shown[: _MOST_INPUTS - 2], len(names) - 1]
    texts = weights or [f"· w{_subscript(i + 1)}" for i in range(len(names))]
    boxes = {f"x{i}": Box(names[i], kind=DATA, flows=texts[i]) for i in shown}
    if len(shown) < len(names):
        between = Box("…", (f"{len(names) - len(shown):,} more",), DATA)
        last = boxes.popitem()
        boxes |= {"between": between, last[0]: last[1]}
    arrows = [(name, "sum") for name in boxes]
    boxes["sum"] = Box("Σ", ("z = Σ wᵢxᵢ + b",), flows="z")
    boxes |= _SIGMOID | {"result": _result(answer)}
    arrows += [("sum", "sigmoid"), ("sigmoid", "result")]
    told = (
        f"{len(names):,} inputs, each times its weight, are added up with the bias to the logit z"
    )
    return draw(key, "The neuron", f"{told}; the sigmoid makes ŷ of it.", boxes, arrows)


_LOGIT: Final = "logit z, n × 1"
_SIGMOID: Final = {"sigmoid": Box("Sigmoid", ("1 / (1 + e⁻ᶻ)",), flows="n × 1")}


def _result(answer: str) -> Box:
    return Box("ŷ", (f"probability of {answer}",) if answer else ("probability",), RESULT)


def _subscript(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _told(weighted: Sequence[Lane], added: Sequence[Lane], width: int) -> str:
    """The drawing in words."""
    ways = [
        " → ".join(f"{box.title} ({box.flows})" if box.flows else box.title for box in lane)
        for lane in (*weighted, *added)
    ]
    layer = f"a linear layer of {width:,} weights" if width else "the sum with the bias"
    return f"{'; '.join(ways)}; then {layer}, the logit, the sigmoid and the probability ŷ."
