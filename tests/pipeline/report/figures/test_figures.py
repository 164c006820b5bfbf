"""What all figures have in common, and what each says in words."""

import re
from itertools import pairwise

import pytest

from pipeline.report.made_sources import drawn, mixed, profile, scores
from pipeline.report.markup import read, text_of
from report.figures.bars import Bar, bars
from report.figures.curves import curve
from report.figures.scores import ranking, thresholds
from report.figures.scores.reliability import reliability
from report.figures.waterfall import Step, waterfall
from report.measures.class_scores import TRAINING, ClassScores
from report.measures.effects import CurveEffect, effects
from serve_runtime.features.column import Column

ODD = "<b onclick='x'>\"&amp;\u202e日本語\x07 $x_1$"


def made_scores(bias: float = -1.0) -> ClassScores:
    found = ClassScores.of(profile(training=scores(*drawn(400, bias=bias))), TRAINING)
    assert found is not None
    return found


def figures():
    found = made_scores()
    own = found.at(0.5)
    stops = [found.at(t) for t in (0.1, 0.5, 0.9)]
    bent = [e for e in effects(mixed()) if isinstance(e, CurveEffect)]
    yield ranking.roc(found, found.auc, own)
    yield ranking.precision_recall(found, own)
    yield ranking.gain(found)
    yield reliability(found.bins(), weighted=False)
    yield thresholds.distributions(found, [ODD, "yes"], 0.5)
    yield thresholds.thresholds(found, own, stops)
    yield bars([Bar(ODD, 1.0, "+1", 0.5, 1.5), Bar("b", -2.0, "−2")], "k", ODD, "adds")
    yield waterfall(-1.0, [Step(ODD, 2.0), Step("b", -0.5)], 0.5, 0.62, "k", "Row")
    yield from (curve(e, {"edges": [0, 1, 2], "counts": [5, 1]}, "k") for e in bent)


def test_figures_are_safe_have_names_and_the_same_bytes():
    for first, second in zip(figures(), figures(), strict=True):
        assert first == second
        tag, attributes = read(first).tags[0]
        assert (tag, attributes["role"], attributes["class"]) == ("svg", "img", "figure")
        title, description = attributes["aria-labelledby"].split()
        names = [a.get("id") for _, a in read(first).tags[1:3]]
        assert names == [title, description]
        # At 390 pixels a point is about a pixel.
        assert float(attributes["viewbox"].split()[2]) <= 5.3 * 72
        assert "#0101" not in first


def test_numbers_in_texts_keep_their_digits():
    found = made_scores()
    assert f"AUC {found.auc:.3f}" in text_of(ranking.roc(found, found.auc, found.at(0.5)))


def test_the_marker_moves_along_the_axis():
    found = made_scores()
    stops = [found.at(t) for t in (0.001, 0.5, 0.999)]
    svg = thresholds.thresholds(found, found.at(0.5), stops)
    ids = {attributes.get("id") for _, attributes in read(svg).tags}
    assert {"performance-thresholds-marker", "performance-thresholds-axis"} <= ids
    places = thresholds.marker_places(found, stops)
    assert places == sorted(places)
    assert 0 <= places[0] < places[1] < places[2] <= 1


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_threshold_at_an_end_is_drawn(threshold):
    found = made_scores()
    own, stops = found.at(threshold), [found.at(0.2), found.at(0.8)]
    assert "performance-thresholds-marker" in thresholds.thresholds(found, own, stops)
    assert "threshold is" in thresholds.distributions(found, ["no", "yes"], threshold)


def test_lengths_of_bars_are_values_or_orders_of_magnitude():
    found = [Bar("a", 1000.0, "1000"), Bar("b", 1.0, "1"), Bar("c", -10.0, "−10")]

    def lengths(**how: bool) -> list[float]:
        """Of the bars of a figure, which alone are translucent boxes."""
        html = bars(found, "k", "Bars", "adds", **how)
        paths = re.findall(r'<path d="([^"]*)"[^>]*opacity', html)
        places = [[float(x) for x in re.findall(r"[ML] ?([-\d.]+)", path)] for path in paths]
        return [max(xs) - min(xs) for xs in places]

    a, b, c = lengths()
    assert a == pytest.approx(100 * c, rel=0.01)
    assert b < c
    a, b, c = lengths(logarithmic=True)
    assert a - c == pytest.approx(2 * (c - b), rel=0.05)
    assert b > 5


def test_a_waterfall_tells_its_sum_in_words():
    svg = waterfall(-1.0, [Step("age = 40", 2.0), Step("b = 1", -0.5)], 0.5, 0.622, "k", "Row 1")
    said = text_of(svg)
    assert "average row has the logit −1.00. age = 40 +2.00; b = 1 −0.50. Together: +0.50" in said
    assert "62.2%" in said


def test_a_curve_tells_its_ends_in_words():
    effect = CurveEffect(mixed((0,)).card.columns[0], [(0.0, -1.0), (5.0, 0.5)], [(2.0, 1.25)])
    said = text_of(curve(effect, None, "k"))
    assert "Lowest at 0: −1.00 to the logit, odds × 0.368. Highest at 2: +1.25" in said


@pytest.mark.parametrize("span", [0.5, 90, 4000, 86400, 9e5, 9e6, 4e7, 2e8, 3e9, 6e10, 1e13])
def test_times_of_any_span_have_ticks(span):
    column = Column("joined", "precise", 0.0, 1e9, time=True)
    effect = CurveEffect(column, [(1.6e9, 0.0), (1.6e9 + span, 1.0)], [])
    said = text_of(curve(effect, None, "k"))
    assert "joined" in said
    assert "1,600,000,000" not in said or span > 1e11


WRITTEN = r'text-anchor="(\w+)"[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>'
WIDE = 6.5
"""Points of a digit, in the font that measures; "%" is wider, "." narrower."""


@pytest.mark.parametrize("spread", [1, 4, 16])
def test_ticks_of_probabilities_stand_apart(spread):
    logit, positive = drawn(400)
    found = ClassScores.of(profile(training=scores(logit * spread, positive)), TRAINING)
    figure = thresholds.distributions(found, ["no", "yes"], 0.5)
    texts = [(float(x), text, y) for _, x, y, text in re.findall(WRITTEN, figure)]
    level = next(y for _, text, y in texts if text == "50%")
    ticks = sorted((x, text) for x, text, y in texts if y == level)
    assert len(ticks) > 3
    for (left, first), (right, second) in pairwise(ticks):
        assert right - left > WIDE * (len(first) + len(second)) / 2


def test_numbers_of_a_row_are_clear_of_its_names():
    steps = [Step("OnlineBackup = No internet service at all", -1.94), Step("b", 0.2)]
    figure = waterfall(0.0, steps, -1.74, 0.15, "k", "Row")
    found = re.findall(WRITTEN, figure)
    names = next(float(x) for _, x, _, text in found if text == "this row")
    (number,) = (float(x) for anchor, x, _, text in found if (anchor, text) == ("end", "−1.94"))
    assert number - WIDE * len("−1.94") > names + 6  # and of the axis
