"""What a person reads of a choice at the end: what was taken first, then what came next."""

from dataclasses import replace

import numpy as np
import pytest

from train.design import Design
from train.selection.choice import Candidate, Choice, FoldFigures, Point
from train.selection.report import ranking

PATH = tuple(
    Point(c, loss, 0.01) for c, loss in ((0.1, 0.5), (1.0, 0.42), (10.0, 0.4), (100.0, 0.41))
)
BENT = tuple(Candidate(f"{n} bent", n, (Point(1.0, 0.405 + n / 100, 0.02),)) for n in range(1, 6))
PLAIN = Choice(
    Design((), np.empty(0), np.empty(0)),
    0.01,
    0.0,
    (Candidate("", 3, PATH),),
    folds=(FoldFigures(0.9, 0.4),) * 5,
    labels=np.zeros(4, np.float32),
)
HEADING = "chosen by 5 folds, by the log loss of rows left out (± 0.0100):"
TAKEN = "0.4000  l2 = 0.01 (C = 10 in scikit-learn)"


def test_a_penalty_stands_before_the_weaker_and_the_stronger_one():
    assert list(ranking(PLAIN, chosen=True)) == [
        HEADING,
        TAKEN,
        "0.4100  ten times weaker",
        "0.4200  ten times stronger",
    ]


@pytest.mark.parametrize("taken", [0, 3])
def test_of_many_designs_the_next_best_are_named(taken):
    candidates = list(BENT)
    candidates.insert(taken, Candidate("no bends", 3, PATH))
    several = replace(PLAIN, candidates=tuple(candidates), taken=taken)
    assert list(ranking(several, chosen=True)) == [
        HEADING,
        f"{TAKEN}, no bends",
        "0.4100  ten times weaker",
        "0.4150  1 bent",
        "0.4200  ten times stronger",
    ]


def test_what_is_better_but_not_clearly_is_said_to_be_so():
    better = Candidate("7 bent", 7, (Point(1.0, 0.399, 0.02),))
    choice = replace(PLAIN, candidates=(Candidate("no bends", 3, PATH), better))
    assert list(ranking(choice, chosen=True))[2] == "0.3990  7 bent, not clearly better"


def test_a_penalty_that_was_given_is_measured():
    given = replace(PLAIN, candidates=(Candidate("", 3, PATH[2:3]),))
    assert list(ranking(given, chosen=False)) == [HEADING.replace("chosen", "measured"), TAKEN]


def test_without_folds_there_is_nothing_to_tell():
    assert list(ranking(replace(PLAIN, labels=None, folds=()), chosen=True)) == []
