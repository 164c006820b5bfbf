"""Medians by narrowing down are numpy's, in any parts; a sample of values hangs on them alone."""

import numpy as np
import pytest

from train.tables.columns import second_look
from train.tables.columns.second_look import SecondLook

RNG = np.random.default_rng(0)
VALUES = {
    "odd": RNG.normal(size=10_001),
    "even": RNG.normal(size=10_000),
    "few different": RNG.integers(0, 3, 9_999) * 1.0,
    "equal": np.full(5_000, -7.25),
    "both signs of zero": np.array([0.0, -0.0] * 3000),
    "far apart": RNG.normal(size=8_000) * 10.0 ** RNG.integers(-300, 300, 8_000),
    "years": RNG.integers(1990, 2030, 6_000) * 1.0,
    "one": np.array([3.5]),
    "two": np.array([-1.0, 4.0]),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("most", [1, 100, 1 << 20])
def test_a_median_is_that_of_numpy(name, most, monkeypatch):
    monkeypatch.setattr(second_look, "_MOST_GATHERED", most)
    values = VALUES[name]
    rows = np.insert(values, range(0, len(values), 3), np.nan)
    look, passes = SecondLook({0: len(values)}, []), 0
    while look.unfinished:
        for part in np.array_split(rows, 7):
            look.add(part[None], True)
        look.end_pass()
        passes += 1
    assert look.medians[0] == np.median(values)
    assert passes <= 4


def test_rows_held_out_are_no_part_of_a_median():
    look = SecondLook({0: 3}, [])
    look.add(np.array([[1.0, 2, 3]]), True)
    look.add(np.array([[100.0, 200]]), False)
    look.end_pass()
    assert look.medians == {0: 2.0}


def test_a_sample_hangs_on_the_values_alone(monkeypatch):
    monkeypatch.setattr(second_look, "_MOST_SAMPLED", 500)
    values = np.arange(20_000) * 0.25 + 2.0**22
    shares = []
    for order in (values, values[::-1], RNG.permutation(values)):
        look = SecondLook({}, [0])
        for part in np.array_split(order, 11):
            look.add(part[None], True)
        look.end_pass()
        shares.append(look._distinct[0].lost)
        assert look.loses(0)
    assert len(set(shares)) == 1
    assert shares[0] == pytest.approx(0.5, abs=0.1), "float32 holds every half"
