"""Which strengths are tried, which is taken, and by which rows."""

import numpy as np
import pytest

from serve_runtime.features.column import NUMBER, Column
from train.design import Design
from train.errors import RecipeError
from train.gradients.processes import SINGLE_PROCESS
from train.recipe.recipe import Recipe
from train.selection.choice import Choice
from train.selection.choose import choose, select
from train.selection.judge import Judge
from train.selection.report import told
from train.selection.sample import Sample
from train.selection.search import STRENGTHS, along

COLUMNS = 6


def design(width: int = COLUMNS) -> Design:
    columns = tuple(Column(f"x{i}", NUMBER, low=-9.0, high=9.0) for i in range(width))
    return Design(columns, np.full(width, np.nan), np.empty(0))


def sample(rows: int, seed: int = 0, total: int | None = None) -> Sample:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(COLUMNS, rows))
    labels = (rng.random(rows) < 1 / (1 + np.exp(-x[0]))).astype(np.float32)
    return Sample(x, (), (), labels, total or rows)


class Losses:
    """A path whose strengths give logits of these sizes, all of the wrong or the right sign."""

    def __init__(self, *logits: float) -> None:
        self.left, self.asked = list(logits), 0

    def solve(self, a: float) -> np.ndarray:
        self.asked += 1
        return np.full(100, self.left.pop(0)) * np.linspace(0.9, 1.1, 100)


@pytest.mark.parametrize(
    ("logits", "tried"),
    [
        ((0.1, 0.5, 0.4, 0.6), 3),  # risen clearly
        (tuple(0.1 * k for k in range(1, 10)), 9),  # lower to the end
        ((0.1, 0.5, 0.5, 0.5), 3),  # level
    ],
)
def test_a_path_ends_where_nothing_better_is_to_come(logits, tried):
    path = Losses(*logits)
    found = list(along(path, STRENGTHS, Judge(np.ones(100, np.float32))))  # type: ignore[arg-type]
    assert len(found) == path.asked == tried


def test_the_strength_carries_over_to_all_rows_as_c():
    few = sample(400)
    many = sample(400, total=4000)
    asked = Recipe.from_dict({})
    one, other = (choose(asked, rows, [design()], print) for rows in (few, many))
    assert one.l2 == pytest.approx(10 * other.l2)
    best = one.candidates[0].points[one.candidates[0].best]
    assert one.l2 == pytest.approx(1 / (400 * best.c))


def test_the_same_again_to_the_bit():
    first, again = (choose(Recipe.from_dict({}), sample(300), [design()], print) for _ in range(2))
    assert np.array_equal(first.out_of_fold, again.out_of_fold)
    assert first.candidates == again.candidates


def test_out_of_fold_figures_are_those_of_the_folds():
    asked = Recipe.from_dict({"penalty": {"l2": 0.1, "l1": 0.01, "folds": 3}})
    found = choose(asked, sample(300), [design()], print)
    said = list(told(found, 300, chosen=False))
    point = found.candidates[0].points[0]
    assert np.mean([fold.log_loss for fold in found.folds]) == pytest.approx(point.log_loss)
    assert point.c == pytest.approx(1 / (300 * 0.11))
    assert "l2 = 0.1 and l1 = 0.01 (C = 0.0303, l1_ratio = 0.0909 in scikit-learn)" in said[0]
    assert (found.l2, found.l1) == (0.1, 0.01)


def test_no_penalty_is_measured_too():
    asked = Recipe.from_dict({"penalty": {"l2": 0, "folds": 3}})
    found = choose(asked, sample(300), [design()], print)
    said = list(told(found, 300, chosen=False))
    assert found.candidates[0].points[0].c is None
    assert said[0].startswith("penalty: none, measured by 3 folds of 300 rows")


def test_l2_is_chosen_beside_an_l1_that_is_said():
    asked = Recipe.from_dict({"penalty": {"l2": "auto", "l1": 0.05}})
    found = choose(asked, sample(300), [design()], print)
    assert found.l1 == 0.05
    assert len(found.candidates[0].points) > 3


def test_named_bends_begin_where_straight_numbers_are_best():
    """A rare class, whose log loss hardly falls while the penalty is far too strong."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(COLUMNS, 20_000))
    labels = (rng.random(20_000) < 1 / (1 + np.exp(6 - 0.7 * x[0]))).astype(np.float32)
    asked = Recipe.from_dict({"columns": {"bend": ["x0"]}})
    rows = Sample(x, (), (), labels, 20_000)
    found = select(asked, design(), rows, print, SINGLE_PROCESS, None, 1 << 20)
    straight, bent = found.candidates[0], found.candidates[found.taken]
    assert (straight.name, bent.name) == ("no bends", "1 bent, up to 4 knots")
    assert 0.3 < bent.points[bent.best].c / straight.points[straight.best].c < 4


def test_bends_show_where_straight_numbers_are_worth_nothing():
    """Then the path begins with penalties that leave no weight, and so nothing to see."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 100))
    labels = (rng.random(100) < 1 / (1 + np.exp(2 - 2 * x[0] ** 2))).astype(np.float32)
    rows = Sample(x, (), (), labels, 100)
    found = select(Recipe.from_dict({}), design(3), rows, print, SINGLE_PROCESS, None, 1 << 20)
    straight = found.candidates[0]
    assert straight.points[straight.best].c < 1e-3
    assert list(found.design.bases) == [0]


def test_a_choice_survives_its_way_through_a_checkpoint():
    found = choose(Recipe.from_dict({}), sample(200), [design()], print)
    again = Choice.restored(found.design, found.state_dict())
    assert again.figures() == found.figures()
    assert again.l2 == found.l2
    assert np.array_equal(again.out_of_fold, found.out_of_fold)


def test_l1_on_too_many_columns_is_refused():
    asked = Recipe.from_dict({"penalty": {"l1": 0.1}})
    with pytest.raises(RecipeError, match=r"at most 2,048 columns.*there are 2,049: use --l2"):
        select(asked, design(2049), None, print, SINGLE_PROCESS, None, 0)
