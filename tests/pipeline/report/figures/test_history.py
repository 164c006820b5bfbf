import math
import re

import pytest

from report.figures.history import by_update, path

LINES = [{"epoch": 10.0 * i, "cost": 1 / (1 + i), "validation_cost": 0.5} for i in range(4)]


def point(c, loss, error=0.01):
    return {"c": c, "log_loss": loss, "standard_error": error}


FLAT = {"name": "no bends", "columns": 3, "points": [point(10.0**k, 0.5) for k in range(-3, 3)]}
BENT = {"name": "bent <b>", "columns": 9, "points": [point(1.0, 0.3), point(10.0, 0.4)]}


def test_both_parts_are_drawn_and_told():
    found = by_update(LINES, "cost", "Cost by update", "cost")
    assert ">training<" in found
    assert ">hold-out<" in found
    assert "training from 1 to 0.25; hold-out from 0.5 to 0.5" in found


@pytest.mark.parametrize(
    "lines", [[], LINES[:1], [{"epoch": 0.0, "cost": math.nan}] * 5, [{"epoch": 0.0}] * 3]
)
def test_fewer_than_two_values_make_no_figure(lines):
    assert by_update(lines, "cost", "Cost by update", "cost") is None


def test_the_chosen_penalty_is_told():
    found = path([FLAT, BENT], 1)
    assert "the chosen one is bent &lt;b&gt; at C 1, with a log loss of 0.3" in found
    assert "<b>" not in found
    assert re.search(">10⁻³<", found)


def test_penalties_without_figures_are_left_out():
    odd = {**BENT, "points": [point(None, 0.3), point(1.0, math.nan), point(1.0, 0.3)]}
    assert path([odd], 0) is None
    assert path([odd, FLAT], 0) is not None
    assert path([{**odd, "points": []}, FLAT], 0) is None
