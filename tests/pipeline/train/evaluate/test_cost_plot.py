"""The cost of a training on one line."""

import math

import pytest

from train.evaluate.cost_plot import cost_lines
from train.optimize.fit import Record


def records(costs, held=None):
    held = [None] * len(costs) if held is None else held
    return [
        Record(10 * i, c, 0.5, h, None) for i, (c, h) in enumerate(zip(costs, held, strict=True))
    ]


def test_the_highest_cost_has_the_highest_bar():
    costs = [0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert list(cost_lines(records(costs), 79)) == [
        "cost  0.800000  █▇▆▅▄▃▂▁  0.100000",
        "      epochs 0 to 70",
    ]


def test_both_curves_have_one_scale():
    training, held, epochs = cost_lines(records([0.8, 0.4, 0.0], [0.8, 0.8, 0.4]), 79)
    assert (training.split()[2], held.split()[2]) == ("█▅▁", "██▅")
    assert epochs.strip() == "epochs 0 to 20; lowest on the hold-out 0.400000 at 20"


@pytest.mark.parametrize("width", [50, 79])
def test_many_records_are_thinned_to_the_width(width):
    costs = [9 - math.log(i + 1) for i in range(5000)]
    curve, *_ = cost_lines(records(costs), width)
    assert len(curve) <= width
    assert "".join(dict.fromkeys(curve.split()[2])) == "█▇▆▅▄▃▂▁"


@pytest.mark.parametrize(
    ("costs", "width"),
    [([], 79), ([0.5, 0.4], 79), ([0.5, math.inf, 0.4], 79), ([0.5, math.nan, 1], 79),
     ([0.5, 0.4, 0.3], 20)],
)  # fmt: skip
def test_no_curve_where_there_is_none_to_draw(costs, width):
    assert list(cost_lines(records(costs), width)) == []


def test_a_cost_that_never_changes_is_drawn():
    assert next(cost_lines(records([0.5] * 4), 79)) == "cost  0.500000  ▁▁▁▁  0.500000"
