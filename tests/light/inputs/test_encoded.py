"""Rows with texts and gaps: the same bits through every kind of input, and what is refused."""

import pytest

from light.helpers import assert_same_bits
from light.inputs.mixed_kinds import KINDS
from light.mixed import mixed_predictor, mixed_rows


@pytest.fixture(scope="module")
def predictor():
    return mixed_predictor()


ROWS = {count: mixed_rows(count) for count in (1, 100, 1024, 100_000)}


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_bits(predictor, kind, rows):
    expected = ROWS[rows].logits()
    assert_same_bits(predictor.decision_function(KINDS[kind](ROWS[rows].columns)), expected)
