import numpy as np

from benchmarks.harness.random_run import random_mixed
from pipeline.report.made_sources import mixed, numeric, of_levels, source_of
from pipeline.report.markup import read, text_of
from report.sections import model


def body(source) -> str:
    found = model.section(source)
    assert (found.key, found.title) == ("model", "What drives the score")
    return found.body


def test_a_number_tells_what_a_step_does_to_the_odds():
    # A deviation of 2: the step is 1, of which the weight is ln 2.
    said = text_of(body(numeric(["age", "height"], [2 * np.log(2), -0.5])))
    assert "age +1 2 0.693 +1.39" in said
    assert "height +1 0.779 −0.25 −0.50" in said


def test_intervals_are_shown_where_there_are_statistics():
    coefficients = [{"standard_error": 0.1}] * 3
    metrics = {"statistics": {"coefficients": coefficients}}
    said = text_of(body(numeric(["a", "b"], [2.0, 1.0], metrics=metrics)))
    assert "95% interval" in said
    assert "2.23 to 3.31" in said  # exp(1 ± 0.196)
    none = {"statistics": {"none": "the penalty moves the weights"}}
    said = text_of(body(numeric(metrics=none)))
    assert "no intervals: the penalty moves the weights" in said
    assert "95% interval" not in said


def test_a_model_that_does_nothing_says_so():
    html = body(numeric(["x"], [0.0]))
    assert "No column moves the score" in text_of(html)
    assert "<svg" not in html


def test_columns_of_all_kinds_have_words():
    html = body(mixed())
    said = text_of(html)
    assert "Points are single values with a weight of their own." in said
    assert "A missing value multiplies the odds by" in said
    assert "beside the median; training saw " in said
    assert "A level that training did not see counts as the average row." in said
    assert "A level that training did not see is refused." in said
    assert "A level that training did not see counts as a rare one: odds ×" in said
    assert "number 1: missing a gap, not the median" in said
    assert "nan" not in said.lower()


def test_levels_say_their_odds():
    said = text_of(body(of_levels({"Rome": np.log(3), "Oslo": -np.log(3)})))
    assert "From Oslo (odds × 0.333 against the average row) to Rome (odds × 3)." in said
    assert "Rome (10)" in said


def test_of_5000_levels_the_farthest_are_drawn():
    weight = np.random.default_rng(0).normal(size=5000)
    weight -= weight.mean()
    html = body(of_levels({f"level {i}": float(v) for i, v in enumerate(weight)}))
    said = text_of(html)
    assert len(html) < 60_000
    assert "Drawn are the 20 of 5,000 levels" in said
    assert f"level {np.abs(weight).argmax()} (10)" in said
    assert "4,780 more levels multiply the odds by" in said


def test_of_10000_columns_50_are_drawn_and_the_rest_is_a_table():
    weight = np.random.default_rng(0).normal(size=10_000)
    html = body(numeric([f"c{i}" for i in range(10_000)], weight.tolist()))
    said = text_of(html)
    assert len(html) < 520_000
    assert "The first 50 of 10,000 columns" in said
    order = np.argsort(-np.abs(weight))
    bars = html[: html.index("Numbers</h3>")]
    assert f">c{order[49]}<" in bars
    assert f">c{order[50]}<" not in bars
    assert f"<tr><th>c{order[50]}<td>" in html
    listed = html.count("<tr><th>c")
    assert listed > 5000
    assert f"{9950 - listed:,} more columns add still less" in said


def test_many_bent_columns_and_categories_are_told_in_brief():
    trained, card, rows = random_mixed(20, 5, 20, bent=range(20))
    html = body(source_of(trained, card, rows))
    assert len(html) < 400_000
    said = text_of(html)
    assert "15 columns of less importance" not in said
    assert "20 columns of less importance" in said
    for column in card.columns:
        assert column.name in said


def test_odd_names_and_levels_are_shown_and_not_executed():
    odd = "<b onclick=x>\"&'\u202e\x07日本 $x$"
    html = body(numeric([odd, "b" * 500, "\n"]))
    assert "&lt;b onclick=x&gt;" in html
    assert "\\u202e" in html
    assert ("b" * 500) not in html
    levels = body(of_levels({odd: 1.0, "": -1.0, "日本" * 40: 0.5, "x": -0.5}, name=odd))
    assert "“”" in text_of(levels)
    for found in (html, levels):
        assert "b" not in [tag for tag, _ in read(found).tags]


def test_the_same_run_gives_the_same_bytes():
    assert body(mixed()) == body(mixed())
