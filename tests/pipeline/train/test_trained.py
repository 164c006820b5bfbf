"""A trained layer over numbers, indicators and levels, and the same function of raw columns."""

import numpy as np
import pytest

from serve_runtime.features.column import CATEGORY, PRECISE, Column
from train.design import Design
from train.standardize import Scaling
from train.trained import Trained

AGE = Column("age", low=1.0, high=9.0, missing="indicator", gaps=2)
WHEN = Column("when", PRECISE, 1e9, 1e9 + 9)
COLOUR = Column(
    "colour", CATEGORY, missing="level", gaps=3, missing_texts=("",), levels=("blue", "red"),
    counts=(5, 2), rare=("mauve",), rare_count=1,
)  # fmt: skip
SHAPE = Column("shape", CATEGORY, levels=("x", "y"), counts=(4, 7), unknown="error")
DESIGN = Design(
    (WHEN, COLOUR, AGE, SHAPE), imputed=np.array([4.0, np.nan]), center=np.array([1e9 + 4])
)
SCALING = Scaling(np.array([4.5, 1e9 + 4, 0.2]), np.array([2.0, 3.0, 0.4]))
WEIGHT = np.array([0.7, -0.3, 0.9, 0.1, -0.2, 0.5, 0.25, 1.0, -2.0], np.float32)
TRAINED = Trained(WEIGHT, 0.125, SCALING, DESIGN)


def test_the_layers_columns_have_names():
    assert DESIGN.names == (
        *("age", "when", "age missing", "colour = blue", "colour = red", "colour missing"),
        *("colour rare", "shape = x", "shape = y"),
    )
    assert DESIGN.width == len(WEIGHT)


def layer(age, when, colour, shape):
    """The logit of the trained layer; `colour` and `shape` are positions among trained codes."""
    missing = np.isnan(age)
    dense = (np.array([4.0 if missing else age, when, missing]) - SCALING.mean) / SCALING.scale
    return WEIGHT[:3] @ dense + WEIGHT[3 + colour] + WEIGHT[7 + shape] + 0.125


@pytest.mark.parametrize("age", [2.0, 8.5, np.nan])
@pytest.mark.parametrize("center", [None, np.array([4.5, 0.5], np.float32)])
def test_what_is_served_is_the_trained_layer(age, center):
    affine, encoding = TRAINED.affine(center), TRAINED.encoding()
    for when in (1e9, 1e9 + 9):
        for colour, shape in ((0, 0), (1, 1), (2, 0), (3, 1)):
            numbers = np.array([[age], [when - 1e9 - 4]], np.float32)
            codes = [np.array([colour + 1]), np.array([shape + 1])]
            offset = encoding.offset(affine.bias, codes, numbers)
            filled = encoding.filled(numbers)[:, 0] - (0 if center is None else center)
            assert affine.weight @ filled + offset[0] == pytest.approx(
                layer(age, when, colour, shape), abs=2e-6
            )


def test_an_unknown_level_counts_as_the_average_row():
    colour, shape = TRAINED.tables
    assert colour[1:] @ [5, 2, 3, 1] == pytest.approx(0, abs=1e-12)
    assert colour[0] == 0
    assert np.isnan(shape[[0, 3]]).all()  # unknown and missing ones are refused
    assert TRAINED.encoding().tables[1].dtype == np.float32


def test_a_weight_that_no_fill_can_be_divided_by_leaves_a_gap_term():
    weight = WEIGHT.copy()
    weight[0] = 0
    trained = Trained(weight, 0.125, SCALING, DESIGN)
    encoding = trained.encoding()
    np.testing.assert_array_equal(encoding.fill, np.float32([4, np.nan]))
    np.testing.assert_array_equal(encoding.gap, np.float32([np.float32(0.9) / 0.4, 0]))
    assert encoding.terms == 3
