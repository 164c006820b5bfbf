"""`out`: the array of the caller that a result is written to."""

import numpy as np
import pytest

from light.helpers import NAMES, TINY, assert_same_bits
from serve_runtime import InputError, Predictor
from serve_runtime.errors import NonFiniteError

METHODS = {"probability": (), "decision_function": (), "predict_proba": (2,)}
COUNTS = [0, 1, 3, 4, 256, 257, 400]
KINDS = {
    "array": lambda x: x,
    "lists": lambda x: x.tolist(),
    "float64": lambda x: x.astype(np.float64),
    "Fortran order": np.asfortranarray,
    "dict": lambda x: dict(zip(NAMES, x.T, strict=True)),
}


def rows(count):
    return np.random.default_rng(count).normal(0, 2, (count, 2)).astype(np.float32)


def contiguous(shape):
    return np.full(shape, 9, np.float32)


def spaced(shape):
    """Every third place of a larger array, in each dimension."""
    larger = np.full([3 * size for size in shape], 9, np.float32)
    return larger[(slice(None, None, 3),) * len(shape)]


def reversed_places(shape):
    return contiguous(shape)[::-1]


def misaligned(shape):
    size = 4 * int(np.prod(shape))
    return np.zeros(size + 1, np.uint8)[1:].view(np.float32).reshape(shape)


def fortran(shape):
    return np.asfortranarray(contiguous(shape))


PLACES = [contiguous, spaced, reversed_places, misaligned, fortran]


@pytest.fixture(params=["real blocks", "1 thread", "2 threads"])
def scorer(request, cut_blocks):
    """A predictor; with blocks of a few rows, on one thread or two."""
    small = request.param != "real blocks"
    if small:
        cut_blocks(rows=40, values=80)
    return Predictor(TINY, threads=int(request.param[0]) if small else 1)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_out_gets_the_result_and_is_returned(scorer, method, kind, place):
    for count in COUNTS:
        x, call = KINDS[kind](rows(count)), getattr(scorer, method)
        out = place((count, *METHODS[method]))
        assert call(x, out=out) is out
        assert_same_bits(np.ascontiguousarray(out), call(x))


def test_nothing_but_its_places_is_written(scorer):
    whole = np.full((400, 5), 9, np.float32)
    scorer.predict_proba(rows(400), out=whole[:, 1:3])
    assert (whole[:, [0, 3, 4]] == 9).all()
    whole[...] = 9
    scorer.probability(rows(398), out=whole[1:-1, 2])
    assert (whole[:, 2] == 9).sum() == 2
    assert (whole[:, [0, 1, 3, 4]] == 9).all()


def test_a_result_without_out_is_an_array_of_its_own(scorer):
    """A buffer that is used again would change it in the next call."""
    for count in COUNTS[1:]:
        for method in METHODS:
            first = getattr(scorer, method)(rows(count))
            kept = first.copy()
            getattr(scorer, method)(rows(count) + 1)
            assert_same_bits(first, kept)
            assert first.flags.owndata
            assert first.flags.c_contiguous


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("out", "got"),
    [
        (lambda shape: np.zeros(shape), "float64 "),
        (lambda shape: np.zeros(shape, ">f4"), ">f4 "),
        (lambda shape: np.zeros((4, *shape[1:]), np.float32), r"float32 \(4,"),
        (lambda shape: np.zeros((*shape, 1), np.float32), r"float32 \(3, (2, )?1\)"),
        (lambda shape: np.zeros((*shape[::-1], 7), np.float32), "float32 "),
        (lambda shape: np.zeros(shape, np.float32).tolist(), "a list$"),
        (lambda shape: memoryview(np.zeros(shape, np.float32)), "a memoryview$"),
        (lambda shape: np.broadcast_to(np.float32(0), shape), r"float32 \(3,.*, read-only$"),
    ],
)
def test_an_unfit_out_is_refused_before_anything_is_scored(predictor, method, out, got):
    shape = (3, *METHODS[method])
    given = out(shape)
    wanted = rf"out must be a writable float32 array of shape \({', '.join(map(str, shape))},?\)"
    for x in (rows(3), {"x1": [1, 2, 3], "x2": [1, 2, 3]}):
        with pytest.raises(InputError, match=f"^{wanted}; got {got}"):
            getattr(predictor, method)(x, out=given)
    assert not np.asarray(given).any()


def test_a_bad_row_is_told_with_out_too(scorer):
    x = rows(400)
    x[[391, 399], 1] = np.nan
    with pytest.raises(NonFiniteError, match="row 391, feature 'x2'"):
        scorer.predict_proba(x, out=np.zeros((400, 2), np.float32))


@pytest.mark.parametrize("given", [lambda x: x, KINDS["dict"]])
@pytest.mark.parametrize("order", ["C", "F"])
def test_scores_may_be_written_over_their_own_rows(scorer, order, given):
    """Each row is read before its scores are written."""
    for count in COUNTS:
        expected = scorer.predict_proba(given(rows(count).copy(order)))
        x = rows(count).copy(order)
        assert_same_bits(scorer.predict_proba(given(x), out=x).copy("C"), expected)
        x = rows(count).copy(order)
        scorer.probability(given(x), out=x[:, 0])
        assert_same_bits(x[:, 0].copy(), expected[:, 1].copy())
