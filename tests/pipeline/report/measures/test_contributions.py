import dataclasses

import numpy as np
import pytest

from benchmarks.harness.random_run import random_mixed
from pipeline.report.made_sources import mixed, numeric, source_of
from report.measures.contributions import Contributions
from serve_runtime.error_budgets import UNIT_ROUNDOFF
from serve_runtime.features.column import categories_of
from train.evaluate.metrics import served_logits


def test_numbers_add_up_to_the_logit():
    source = numeric()
    found = Contributions.of(source)
    wide = source.sample.astype(float)
    scaling = source.trained.scaling
    expected = (wide - scaling.mean) / scaling.scale * source.trained.weight
    np.testing.assert_allclose(found.values, expected, rtol=1e-12)
    assert found.bias == source.trained.bias
    np.testing.assert_allclose(found.logit, expected.sum(1) + source.trained.bias, rtol=1e-12)


@pytest.mark.parametrize("bent", [(), (0, 4), (0, 1, 3)])
def test_columns_of_all_kinds_add_up_to_the_served_logit(bent):
    source = mixed(bent)
    found, trained, rows = Contributions.of(source), source.trained, source.sample
    assert trained.design is not None
    numbers = np.stack([
        np.where(np.isnan(values), np.float32(np.nan), trained.design.served(i, values))
        for i, values in enumerate(rows.numbers)
    ])  # fmt: skip
    codes = [
        np.array([c.missing_code if t is None else c.code_by_text()[t] for t in texts])
        for c, texts in zip(categories_of(source.card.columns), rows.texts, strict=True)
    ]
    served = served_logits(trained.affine(), trained.encoding(), numbers, codes).numpy()
    sizes = np.abs(found.values).sum(1) + abs(found.bias)
    # The affine of precise numbers is around their centre, that of the others around 0.
    sizes += np.abs(trained.raw_weight[:3] * trained.scaling.mean[:3]).sum()
    assert (np.abs(found.logit - served) <= 30 * UNIT_ROUNDOFF * sizes).all()


def test_a_category_contributes_nothing_on_average():
    source = mixed(())
    found = Contributions.of(source)
    for i, column in enumerate(source.card.columns):
        if column.kind == "category" and column.missing != "unknown":
            assert found.values[:, i].mean() == pytest.approx(0, abs=1e-6)


def test_a_gap_adds_its_weight_to_what_stands_for_it():
    source = mixed(())
    trained = source.trained
    assert trained.design is not None
    place = trained.design.indicators[1]
    column = trained.design.numbers[place]
    missing = np.isnan(source.sample.numbers[place])
    found = Contributions.of(source).values[missing, source.card.columns.index(column)]
    imputed = np.float32(trained.design.imputed[place] - trained.precise_center[place])
    distance = float(imputed) + trained.precise_center[place] - trained.scaling.mean[place]
    expected = trained.raw_weight[place] * distance + trained.missing_weight[place]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert trained.missing_weight[place] != 0


def test_numbers_are_compared_with_the_means_of_the_card():
    source = numeric()
    card = dataclasses.replace(source.card, training={"means": [0.0, 1.0, 2.0]})
    moved = source_of(source.trained, card, source.sample)
    before, found = Contributions.of(source), Contributions.of(moved)
    np.testing.assert_allclose(found.values, source.trained.raw_weight * (
        source.sample.astype(float) - [0, 1, 2]), rtol=1e-12)  # fmt: skip
    np.testing.assert_allclose(found.logit, before.logit, rtol=1e-9)
    assert found.bias != before.bias


def test_means_of_the_card_go_with_the_names_of_numbers():
    trained, card, rows = random_mixed()
    means = [None if c.low is None else c.low for c in card.columns]
    moved = dataclasses.replace(card, training={"means": means})
    before = Contributions.of(source_of(trained, card, rows))
    found = Contributions.of(source_of(trained, moved, rows))
    np.testing.assert_allclose(found.logit, before.logit, rtol=1e-7)
