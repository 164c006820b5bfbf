"""Bent numbers in the layer that is trained, and the same function as it is served."""

from dataclasses import replace

import numpy as np
import pytest

from serve_runtime.features.column import CATEGORY, PRECISE, Column
from train.bends.candidates import bends_told, bent_designs, describe, with_knots
from train.bends.knots import Values
from train.dataset.layer import Layer, further_moments, layer_moments, scaling_of
from train.design import Design
from train.errors import DataError
from train.gradients.numba_kernels import chunk_rows
from train.standardize import Moments
from train.trained import Trained

SHAPE = Column("shape", CATEGORY, levels=("x", "y"), counts=(400, 600))
FLAT = Design(
    (
        Column("when", PRECISE, 1e9, 1e9 + 999),
        Column("gain", low=0.0, high=99.0, missing="indicator", gaps=100),
        SHAPE,
        Column("age", low=1.0, high=90.0),
    ),
    imputed=np.array([3.0, np.nan, np.nan]),
    center=np.array([1e9 + 500]),
)
ROOM = 1 << 20
RNG = np.random.default_rng(7)
NUMBERS = np.stack(
    [
        np.where(RNG.random(1000) < 0.6, 0, RNG.integers(1, 99, 1000)).astype(float),
        RNG.normal(40, 9, 1000).astype(np.float32),
        1e9 + 999 * RNG.random(1000),
    ]
)
NUMBERS[0, ::10] = np.nan


def bent(size: int = 4, *names: str) -> Design:
    found = {}
    for i, column in enumerate(FLAT.numbers):
        values = NUMBERS[i][~np.isnan(NUMBERS[i])]
        found[column.name] = Values(FLAT.served(i, values)).knots(size)
    return with_knots(FLAT, {name: found[name] for name in names or found})


def layer_over(design: Design) -> Layer:
    moments = layer_moments(
        Moments.of(NUMBERS), design, NUMBERS.shape[1], further_moments(design, NUMBERS)
    )
    return Layer(design, scaling_of(design, moments, standardize=True))


def trained_on(design: Design) -> Trained:
    weight = np.random.default_rng(3).normal(size=design.width).astype(np.float32)
    return Trained(weight, 0.375, layer_over(design).scaling, design)


def test_further_columns_stand_between_indicators_and_levels():
    design = bent(4, "gain", "when")
    assert design.names[:4] == ("gain", "age", "when", "gain missing")
    assert [name.split()[:2] for name in design.names[4:8]] == [["gain", "near"]] * 4
    assert design.names[8] == "gain = 0"
    assert design.names[9].startswith("when near 1000000")
    assert design.names[-2:] == ("shape = x", "shape = y")
    assert design.sources[3:9] == ("gain",) * 6
    assert (design.flat, design.dense, design.width) == (4, 13, 15)
    assert len(design.names) == len(design.sources) == design.width


def test_further_columns_have_mean_0_and_their_own_size():
    layer = layer_over(bent())
    features = layer.features(NUMBERS)
    assert features.shape == (layer.design.dense, 1000)
    np.testing.assert_allclose(features.mean(1), 0, atol=1e-6)
    flat = layer.design.flat
    np.testing.assert_array_equal(layer.scaling.scale[flat:], 1)
    np.testing.assert_allclose(np.ptp(features[flat:], axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(features[:flat], layer_over(FLAT).features(NUMBERS))


@pytest.mark.parametrize("names", [(), ("when",), ("gain", "age")])
def test_what_is_served_is_the_trained_layer(names):
    design = bent(16, *names)
    trained, layer = trained_on(design), layer_over(design)
    affine, encoding = trained.affine(np.float32([1, 2, 3])), trained.encoding()
    codes = np.arange(1000) % 2
    served = np.stack([design.served(i, values) for i, values in enumerate(NUMBERS)])
    served[0, np.isnan(NUMBERS[0])] = np.nan
    offset = encoding.offset(affine.bias, [codes + 1], served)
    logits = affine.weight @ (encoding.filled(served) - affine.center[:, None]) + offset
    expected = trained.weight[: design.dense].astype(np.float64) @ layer.features(NUMBERS)
    expected += trained.weight[design.dense :][codes] + trained.bias
    np.testing.assert_allclose(logits, expected, atol=2e-5)
    assert encoding.bent == tuple(design.bases)
    assert not affine.weight[list(design.bases)].any()
    assert not affine.center[list(design.bases)].any()
    assert not any(np.signbit(v[v == 0]).any() for c in encoding.curves for v in vars(c).values())


def test_the_layer_holds_further_columns_before_they_are_centred():
    trained = trained_on(bent())
    design, layer = trained.design, trained.layer()
    filled = np.where(np.isnan(NUMBERS), design.imputed[:, None], NUMBERS)
    filled[2] -= design.center
    served = [design.served(i, values) for i, values in enumerate(NUMBERS)]
    parts = [filled, np.isnan(NUMBERS[:1])]
    parts += [basis.columns(served[i]) for i, basis in design.bases.items()]
    codes = np.arange(1000) % 2
    logits = np.concatenate([*parts, [codes == 0, codes == 1]]).T @ layer.weight + layer.bias
    expected = trained.weight[: design.dense] @ layer_over(design).features(NUMBERS)
    expected += trained.weight[design.dense :][codes] + trained.bias
    np.testing.assert_allclose(logits, expected, atol=2e-4)


def test_a_gap_of_a_bent_number_is_a_term_of_its_own():
    trained = trained_on(bent(4, "gain"))
    encoding = trained.encoding()
    assert encoding.fill[0] == 3
    assert encoding.gap[0] == np.float32(trained.missing_weight[0]) != 0
    assert trained_on(FLAT).encoding().gap[0] == 0


def test_numbers_computed_from_the_layer_keep_single_values():
    layer = layer_over(bent())
    features = layer.features(NUMBERS)
    codes = [np.zeros(1000, np.uint8)]
    numbers, _ = layer.served(features, codes)
    was = layer.design.served(0, NUMBERS[0])
    was[np.isnan(NUMBERS[0])] = np.nan
    np.testing.assert_array_equal(np.isnan(numbers[0]), np.isnan(was))
    np.testing.assert_array_equal(numbers[0] == 0, was == 0)
    np.testing.assert_allclose(numbers[0], was, rtol=1e-5)


@pytest.mark.parametrize("rows", [1, 7000])
def test_moments_of_parts_are_those_of_all_rows_to_the_bit(rows):
    design = bent()
    step = chunk_rows(len(design.columns))
    many = np.resize(NUMBERS.T, (2 * step + rows, 3)).T
    whole = further_moments(design, many)
    parts = [further_moments(design, many[:, i : i + step]) for i in range(0, many.shape[1], step)]
    joined = (parts[0] + parts[1]) + parts[2]
    for name, values in vars(whole).items():
        np.testing.assert_array_equal(values, getattr(joined, name), err_msg=name)
    assert not whole.rounding.any()


def test_designs_come_in_the_order_of_their_knots():
    designs = list(bent_designs(FLAT, NUMBERS, "auto", ROOM))
    assert [design.dense for design in designs] == sorted({design.dense for design in designs})
    assert [describe(design) for design in (FLAT, designs[0])] == [
        "no bends",
        "3 bent, up to 5 knots",
    ]
    assert bends_told(designs[0]) == "'gain' (5), 'age' (4), 'when' (4)"
    assert [len(d.bases) for d in bent_designs(FLAT, NUMBERS, ["age"], ROOM)] == [1, 1, 1]


def test_designs_that_are_too_wide_are_not_tried():
    columns = tuple(Column(f"c{i}", low=0.0, high=1.0) for i in range(40))
    design = Design(columns, np.full(40, np.nan), np.empty(0))
    rows = np.random.default_rng(1).random((40, 300))
    assert [found.dense for found in bent_designs(design, rows, "auto", ROOM)] == [200, 360]
    many = np.tile(rows, 400)
    assert [found.dense for found in bent_designs(design, many, "auto", ROOM)] == [120]
    assert not list(bent_designs(design, rows, "auto", 0))
    with pytest.raises(DataError, match=r"names 'c1': .*than the 40 by which.*others have 40"):
        list(bent_designs(design, rows, ["c1"], 0))


def test_two_sizes_with_the_same_knots_are_one_design():
    design = Design((Column("few", low=0.0, high=9.0),), np.array([np.nan]), np.empty(0))
    rows = np.tile(np.arange(30.0), 40)[None]
    assert [found.dense for found in bent_designs(design, rows, "auto", ROOM)] == [5, 17, 29]
    assert [found.dense for found in bent_designs(design, rows // 6, "auto", ROOM)] == [4]
    assert not list(bent_designs(design, rows // 15, "auto", ROOM))


@pytest.mark.parametrize(
    ("name", "problem"), [("shape", "is a category"), ("flag", "three different values")]
)
def test_a_name_that_cannot_be_bent_is_refused(name, problem):
    design = replace(
        FLAT,
        columns=(*FLAT.columns, Column("flag", low=0.0, high=1.0)),
        imputed=np.array([3.0, np.nan, np.nan, np.nan]),
    )
    numbers = np.stack([NUMBERS[0], NUMBERS[1], np.arange(1000) % 2, NUMBERS[2]])
    with pytest.raises(DataError, match=problem):
        list(bent_designs(design, numbers, ["age", name], ROOM))
