import math

import numpy as np
import pytest

from pipeline.report.made_sources import mixed, numeric, of_levels
from report.measures.effects import CurveEffect, LevelEffect, NumberEffect, effects, importance


def test_effects_come_in_the_order_of_importance():
    source = numeric(["a", "b", "c"], [1.0, -3.0, 2.0])
    found = effects(source)
    assert [e.column.name for e in found] == ["b", "c", "a"]
    assert importance(source) == pytest.approx({"a": 0.8, "b": 2.4, "c": 1.6})
    first = found[0]
    assert isinstance(first, NumberEffect)
    assert (first.weight, first.per_deviation, first.deviation) == (-1.5, -3.0, 2.0)


def test_intervals_are_those_of_the_statistics():
    names = ("(Intercept)", "a", "b")
    coefficients = [{"name": n, "standard_error": 0.1 * (i + 1)} for i, n in enumerate(names)]
    source = numeric(["a", "b"], [2.0, 4.0], metrics={"statistics": {"coefficients": coefficients}})
    b, a = effects(source)
    assert isinstance(a, NumberEffect)
    assert isinstance(b, NumberEffect)
    assert a.interval(1) == pytest.approx((1 - 1.96 * 0.2, 1 + 1.96 * 0.2), abs=1e-4)
    assert b.interval(10) == pytest.approx((20 - 19.6 * 0.3, 20 + 19.6 * 0.3), abs=1e-3)


def test_a_run_without_statistics_has_no_intervals():
    found = effects(numeric(metrics={"statistics": {"none": "the penalty moves the weights"}}))
    assert [e.interval(1) for e in found if isinstance(e, NumberEffect)] == [None] * 3


def test_curves_are_those_of_the_model_in_the_unit_of_the_table():
    source = mixed((0, 4))
    trained = source.trained
    found = [e for e in effects(source) if isinstance(e, CurveEffect)]
    assert {e.column.name for e in found} == {"number 0", "precise 4"}
    assert trained.design is not None
    for effect in found:
        place = trained.design.numbers.index(effect.column)
        curve = trained.curves[list(trained.design.bases).index(place)]
        center = trained.precise_center[place]
        for x, y in effect.single:
            assert curve.at(np.float64([x - center]))[0] == pytest.approx(y, rel=1e-9)
        spread = effect.line[-1][0] - effect.line[0][0]
        assert effect.line[0][0] == effect.column.low
        assert effect.line[-1][0] == pytest.approx(effect.column.high, abs=1e-3)
        inner = np.linspace(effect.column.low, effect.column.high, 501) + 1e-7 * spread
        expected = curve.at(inner - center)
        found_there = np.interp(inner, *zip(*effect.line, strict=True))
        np.testing.assert_allclose(found_there[:-1], expected[:-1], atol=2e-5)
        assert effect.lowest[1] <= expected.min() + 1e-5
        assert effect.highest[1] >= expected.max() - 1e-5
        assert effect.single


def test_a_curve_is_shown_where_the_profile_says_rows_are():
    edges = {"name": "number 0", "edges": [-0.5, 0.0, 0.5], "counts": [3, 4]}
    source = mixed((0,), profile={"columns": [edges], "classes": {}, "scores": {}})
    [effect] = [e for e in effects(source) if isinstance(e, CurveEffect)]
    assert (effect.line[0][0], effect.line[-1][0]) == (-0.5, 0.5)


def test_levels_have_the_weights_of_the_model():
    [effect] = effects(of_levels({"a": 1.0, "b": -1.0, "c": 0.5, "d": -0.5}))
    assert isinstance(effect, LevelEffect)
    assert [(level.name, level.weight) for level in effect.levels] == [
        ("a", 1.0), ("c", 0.5), ("d", -0.5), ("b", -1.0),
    ]  # fmt: skip
    assert [level.name for level in effect.extreme] == ["a", "b", "c", "d"]
    assert effect.unknown == 0


def test_gaps_rare_and_refused_levels_are_told_apart():
    by_name = {e.column.name: e for e in effects(mixed(()))}
    level, refused, rare = (by_name[f"category {i}"] for i in range(3))
    assert isinstance(level, LevelEffect)
    assert isinstance(refused, LevelEffect)
    assert isinstance(rare, LevelEffect)
    assert [e.name for e in level.levels if not e.text] == ["missing"]
    assert level.unknown == 0
    assert math.isnan(refused.unknown)
    assert {e.name for e in rare.levels if not e.text} == {"missing", "2 rare levels"}
    assert rare.unknown == next(e.weight for e in rare.levels if e.name == "2 rare levels")
