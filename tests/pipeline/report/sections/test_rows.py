import numpy as np
import pytest
from scipy.special import expit

from pipeline.report.made_sources import mixed, numeric, of_levels
from pipeline.report.markup import text_of
from report.measures.contributions import Contributions
from report.sections.rows import picked, section, steps
from report.wording import percent, signed


def test_rows_are_picked_at_the_quantiles():
    logit = np.random.default_rng(0).permutation(101).astype(float)
    found = list(picked(logit))
    assert [logit[row] for row, _ in found] == [5, 25, 50, 75, 95]
    assert [place for _, place in found][1:3] == ["higher than 25% of the scores", "a middle score"]


@pytest.mark.parametrize(("logit", "count"), [([1.0], 1), ([1.0, 2.0], 2), ([3.0] * 9, 1)])
def test_few_or_equal_rows_are_shown_once(logit, count):
    assert len(list(picked(np.array(logit)))) == count


@pytest.mark.parametrize("make", [lambda: numeric([f"c{i}" for i in range(30)]), mixed])
def test_steps_add_up_to_the_logit(make):
    source = make()
    found = Contributions.of(source)
    for row in range(len(source.sample)):
        shown = steps(source, found.values[row], row)
        total = found.bias + sum(step.value for step in shown)
        assert total == pytest.approx(found.logit[row], rel=1e-9, abs=1e-9)
        sizes = [abs(step.value) for step in shown[:8]]
        assert sizes == sorted(sizes, reverse=True)


def test_the_words_tell_score_threshold_and_label():
    source = numeric(threshold=0.4, classes=("stays", "leaves"))
    found = section(source)
    assert found is not None
    said, logit = text_of(found.body), Contributions.of(source).logit
    for row, _ in picked(logit):
        share = float(expit(logit[row]))
        where, label = ("at or above", "leaves") if share >= 0.4 else ("below", "stays")
        assert (
            f"The logit {signed(float(logit[row]))} is a probability of {percent(share)}, {where} "
            f"the threshold of 0.4: labelled {label}."
        ) in said
    assert found.body.count("<svg") == 5


def test_values_are_named_with_gaps_and_unknown_levels():
    source = mixed(())
    found = Contributions.of(source)
    names = [step.name for row in range(43) for step in steps(source, found.values[row], row)]
    assert "number 1 = missing" in names
    assert any(name.startswith("category 0 = ") for name in names)


def test_odd_names_are_shown_and_not_executed():
    odd = "<b onclick=x>\u202e\x07"
    found = section(of_levels({odd: 1.0, "b": -1.0}, name=odd))
    assert found is not None
    assert "&lt;b onclick" in found.body
    assert "<b onclick" in text_of(found.body)
