"""The network as it is taught: what goes in, one linear layer, the sigmoid, a probability.

Nothing here knows of runs or bundles, so that any page can draw its network.
"""

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from report.figures.graph.boxes import DATA, RESULT, Box, draw

Lane = Sequence[Box]
"""Columns of one kind, and the steps that they go through one after the other."""


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


_LOGIT: Final = "logit z, n × 1"
_SIGMOID: Final = {"sigmoid": Box("Sigmoid", ("1 / (1 + e⁻ᶻ)",), flows="n × 1")}


def _result(answer: str) -> Box:
    return Box("ŷ", (f"probability of {answer}",) if answer else ("probability",), RESULT)


def _told(weighted: Sequence[Lane], added: Sequence[Lane], width: int) -> str:
    """The drawing in words."""
    ways = [
        " → ".join(f"{box.title} ({box.flows})" if box.flows else box.title for box in lane)
        for lane in (*weighted, *added)
    ]
    layer = f"a linear layer of {width:,} weights" if width else "the sum with the bias"
    return f"{'; '.join(ways)}; then {layer}, the logit, the sigmoid and the probability ŷ."
