"""Budgets that hold for every model and row: nothing that is exported leaves them."""

import io
import warnings
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from export.formats import onnx_model, torch_export, torchscript
from export.formats.artifact import Score
from export.formats.onnxruntime_scorer import onnx_score
from export.formats.torch_values import tensors, torch_score
from export.parity.scorers import torch_eager_score
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.error_budgets import (
    LOWEST_LOGIT,
    PROBABILITY_ULP,
    probability_budget,
    probability_error,
    sigmoid,
)
from serve_runtime.features.column import number_columns

CARD = ModelCard(number_columns(("a",), (0.0,), (1.0,)), (0, 1), "")

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
wild = st.builds(
    lambda mantissa, exponent: float(np.float32(np.ldexp(mantissa, exponent))),
    st.floats(-1, 1, width=32),
    st.integers(-60, 60),
)
"""Values of any size that a model can have: 2⁻⁶⁰ to 2⁶⁰ and smaller, and zeros."""


def vectors(elements: st.SearchStrategy[float], *shape: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float32, shape, elements=elements, fill=st.nothing())


@st.composite
def models(draw: st.DrawFn, largest: int = 9) -> Affine:
    width = draw(st.integers(1, largest))
    center = draw(st.none() | vectors(wild, width))
    return Affine(draw(vectors(wild, width)), draw(wild), center)


@st.composite
def models_and_rows(draw: st.DrawFn) -> tuple[Affine, np.ndarray]:
    """A model, rows of any finite float32, and many of the sizes that matter to it."""
    affine = draw(models())
    width = len(affine.weight)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = np.ldexp(rng.normal(size=(2000, width)), rng.integers(-30, 30, (2000, 1)))
    with np.errstate(all="ignore"):
        near = sizes / np.where(affine.weight == 0, 1, affine.weight.astype(np.float64))
        near += 0 if affine.center is None else affine.center
        near = near.astype(np.float32)
    rows = np.concatenate((draw(vectors(finite, 7, width)), near[np.isfinite(near).all(1)]))
    return affine, np.ascontiguousarray(rows)


def scorers(affine: Affine) -> dict[str, Score]:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # torch.jit, see export.formats.torchscript
        script = torch.jit.load(io.BytesIO(torchscript.build(affine, CARD)))
    found = {
        f"onnxruntime, {layout}, optimised {optimize}": onnx_score(
            onnx_model.checked_graph(affine, layout), layout, optimize=optimize
        )
        for layout in ("rows", "columns")
        for optimize in (True, False)
    }
    return {
        **found,
        "TorchScript": torch_score(script),
        "what .pt2 holds": torch_score(torch_export.ExportedModule(tensors(affine))),
        "torch float32": torch_eager_score(affine, torch.float32),
    }


@settings(max_examples=120)
@given(models_and_rows())
def test_no_score_leaves_its_budget(drawn: tuple[Affine, np.ndarray]) -> None:
    affine, rows = drawn
    exact, bound = affine.reference(rows)
    proven = np.isfinite(bound)
    budget = probability_budget(exact, bound)
    for name, score in scorers(affine).items():
        logit, probability = score(rows)
        with np.errstate(invalid="ignore", over="ignore"):
            assert (np.abs(logit - exact) <= bound)[proven].all(), name
            assert (np.abs(probability - sigmoid(exact)) <= budget)[proven].all(), name
            assert (probability_error(probability, logit) <= PROBABILITY_ULP).all(), name


@settings(max_examples=40)
@given(models_and_rows())
def test_a_bound_is_finite_unless_terms_may_overflow(drawn: tuple[Affine, np.ndarray]) -> None:
    """So that the test above cannot pass by way of bounds that promise nothing."""
    affine, rows = drawn
    _, bound = affine.reference(rows)
    center = 0.0 if affine.center is None else affine.center.astype(np.float64)
    terms = np.abs(affine.weight.astype(np.float64) * (rows - center)).sum(1) + abs(affine.bias)
    largest = float(np.finfo(np.float32).max)
    assert np.isfinite(bound[terms < largest * (1 - 2.0**-16)]).all()
    assert np.isposinf(bound[terms > largest]).all()


def exactly(affine: Affine, row: np.ndarray) -> tuple[Fraction, Fraction]:
    """The logit of a row, and the sum of the magnitudes of its terms."""
    center = np.zeros_like(affine.weight) if affine.center is None else affine.center
    terms = [
        Fraction(float(w)) * (Fraction(float(x)) - Fraction(float(c)))
        for w, x, c in zip(affine.weight, row, center, strict=True)
    ]
    terms.append(Fraction(affine.bias))
    return sum(terms, Fraction(0)), sum(map(abs, terms), Fraction(0))


@settings(max_examples=300)
@given(models(5), st.data())
def test_the_reference_is_rational_arithmetic_rounded_once(affine: Affine, data: Any) -> None:
    """Within Sum2's own bound, u|s| + γ(n-1)²·Σ|tᵢ| (Ogita, Rump, Oishi, Proposition 4.5).

    A centre adds what float64 rounds of x - c and of its product with the weight.
    """
    rows = data.draw(vectors(wild, 3, len(affine.weight)))
    logit, bound = affine.reference(rows)
    u, n = Fraction(1, 2**53), len(affine.weight) + 1
    gamma = (n - 1) * u / (1 - (n - 1) * u)
    for row, found, allowed in zip(rows, logit, bound, strict=True):
        exact, magnitude = exactly(affine, row)
        off = abs(Fraction(float(found)) - exact)
        rounded = 0 if affine.center is None else (2 * u + u * u) * magnitude
        assert off <= u * abs(exact) + gamma**2 * magnitude + (1 + u) * rounded
        assert off <= Fraction(float(allowed)) / 2**26, "so it decides nothing about float32"


@settings(max_examples=100)
@given(st.lists(st.tuples(*[st.integers(-4096, 4096)] * 3), min_size=1, max_size=9), finite)
def test_the_reference_of_short_numbers_is_exact(terms: list[tuple[int, ...]], big: float) -> None:
    """Also where a huge term comes and goes in between."""
    weight, row, center = np.array(terms, np.float32).T
    exact = sum(w * (x - c) for w, x, c in terms) + 1
    affine = Affine(weight, 1.0, center)
    assert affine.reference(row[None])[0].tolist() == [exact]
    wide = Affine(np.append(weight, np.float32([1, -1])), 1.0)
    logit, _ = wide.reference(np.append(row, np.float32([big, big]))[None])
    uncentered = sum(w * x for w, x, _ in terms) + 1
    assert logit.tolist() == [uncentered]


def exact_sigmoid(z: Decimal) -> Decimal:
    return 1 / (1 + (-z).exp())


@settings(max_examples=500)
@given(
    st.floats(-120, 120),
    st.floats(0, 1) | st.builds(lambda e: 2.0**e, st.floats(-40, 5)),
    st.floats(-1, 1) | st.sampled_from([-1.0, 1.0]),
    st.floats(-1, 1) | st.sampled_from([-1.0, 1.0]),
)
@example(-86.5, 0.9, -1.0, 1.0)
@example(0.0, 1.0, 1.0, 1.0)
def test_the_probability_budget_is_a_true_bound(
    logit: float, bound: float, moved: float, steps: float
) -> None:
    """Of every logit within `bound`, and every probability within PROBABILITY_ULP of its sigmoid.

    From float64's rounding of the budget itself come a few units of 2⁻⁵³.
    """
    with localcontext() as context:
        context.prec = 80
        z = Decimal(logit) + Decimal(moved) * Decimal(bound)
        there, here = exact_sigmoid(z), exact_sigmoid(Decimal(logit))
        tiny = float(np.finfo(np.float32).tiny)
        ulp = Decimal(float(np.spacing(np.float32(max(float(there), tiny)))))
        given_ = [min(max(there + Decimal(steps * PROBABILITY_ULP) * ulp, Decimal(0)), Decimal(1))]
        if z < Decimal(LOWEST_LOGIT):
            lowest = exact_sigmoid(Decimal(LOWEST_LOGIT))
            given_ = [Decimal(0), lowest]
        (budget,) = probability_budget(np.array([logit]), np.array([bound]))
        for probability in given_:
            assert abs(probability - here) <= Decimal(float(budget)) * (1 + Decimal(2) ** -50)


@given(st.floats(-120, 120), st.floats(0, 1, exclude_max=True))
def test_the_probability_budget_is_no_wider_than_its_parts(logit: float, bound: float) -> None:
    """e times what the slope allows, or a quarter of the bound, and the kernel's units in the last
    place at that height; up to what float64 rounds of them."""
    (budget,) = probability_budget(np.array([logit]), np.array([bound]))
    p, rest, lowest = sigmoid(np.array([logit, -logit, LOWEST_LOGIT]))
    moved = min(bound * np.e * p * rest, bound / 4)
    kernel = PROBABILITY_ULP * float(
        np.spacing(np.float32(max(min(p * np.e * (1 + 2.0**-40), 1), 2.0**-126)))
    )
    if logit - bound < LOWEST_LOGIT:
        kernel = max(kernel, lowest * (1 + 2.0**-20))
    assert budget <= (moved + kernel) * (1 + 2.0**-50)
