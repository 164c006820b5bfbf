"""The totals of models that encode their columns bound what they are off the trained model."""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from benchmarks.harness.random_run import random_mixed
from export import folding
from export.folding import FOLDED, LIMIT, SUBTRACT_FIRST
from export.formats import onnx_model
from export.formats.onnxruntime_scorer import onnx_score
from export.parity.encoded_model import EncodedModel, encode
from export.parity.mixed.texts import unseen
from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.curve import Curve
from serve_runtime.features.raw_rows import RawRows
from train.bends.basis import Basis
from train.design import Design
from train.trained import Trained

Kind = tuple[int, int, int] | tuple[int, int, int, set[int]]
KINDS: tuple[Kind, ...] = (
    (3, 2, 3), (2, 0, 1), (0, 2, 1), (0, 0, 2), (3, 0, 0), (0, 2, 0),
    (3, 2, 1, {1, 2, 4}), (2, 0, 0, {0, 1}), (0, 3, 0, {0, 1, 2}),
)  # fmt: skip
"""Numbers, precise numbers and categories; and which numbers are bent."""


def make(kind: Kind, seed: int = 0, offset: float = 0.0) -> tuple[Trained, ModelCard, RawRows]:
    """A random model, and rows of it; some have levels that training has not seen."""
    numbers, precise, categories, *bent = kind
    trained, card, rows = random_mixed(
        numbers, precise, categories, seed=seed, offset=offset, rows=80, bent=set().union(*bent)
    )
    texts = list(map(list, rows.texts))
    for i, column in enumerate(design_of(trained).categories):
        if column.unknown != "error":
            texts[i][i + 5] = unseen(column)
    return trained, card, RawRows(rows.numbers, tuple(map(tuple, texts)))


def design_of(trained: Trained) -> Design:
    assert trained.design is not None
    return trained.design


def model_of(trained: Trained, form: folding.Form) -> EncodedModel:
    encoding = trained.encoding()
    assert encoding is not None
    return EncodedModel(folding.affine_of(trained, form), encoding)


def trained_logits(trained: Trained, numbers: np.ndarray, codes: np.ndarray) -> list[Fraction]:
    """Exactly, from the layer as it was trained: `numbers` (k, n) as they are served, NaN where
    missing, and `codes` (c, n)."""
    design, scaling = design_of(trained), trained.scaling
    mean, scale = (list(map(Fraction, a.tolist())) for a in (scaling.mean, scaling.scale))
    weight = list(map(Fraction, trained.weight.tolist()))
    centers = [0.0] * (len(design.numbers) - len(design.center)) + design.center.tolist()
    levels = [weights_of_codes(trained, i) for i in range(len(design.categories))]
    found = []
    for row, coded in zip(numbers.T.tolist(), codes.T.tolist(), strict=True):
        dense = [
            Fraction(imputed) if x != x else Fraction(x) + Fraction(center)
            for x, center, imputed in zip(row, centers, design.imputed.tolist(), strict=True)
        ]
        dense += [Fraction(row[i] != row[i]) for i in design.indicators]
        for i, basis in design.bases.items():
            served = np.float32(design.imputed[i] - centers[i]) if row[i] != row[i] else row[i]
            dense += further_columns(basis, Fraction(float(served)))
        found.append(
            Fraction(trained.bias)
            + sum(w * (x - m) / s for w, x, m, s in zip(weight, dense, mean, scale, strict=False))
            + sum(of_code[code] for of_code, code in zip(levels, coded, strict=True))
        )
    return found


def further_columns(basis: Basis, x: Fraction) -> list[Fraction]:
    """The columns of a bent number besides itself, exactly."""
    knots = list(map(Fraction, basis.curve.tolist()))
    hats = [
        max(Fraction(0), min((x - left) / (middle - left), (right - x) / (right - middle)))
        for left, middle, right in zip(knots, knots[1:], knots[2:], strict=False)
    ]
    x = Fraction(0) if 0 <= x < Fraction(2) ** -126 else x  # as some processors take it
    return hats + [Fraction(x == value) for value in map(Fraction, basis.single.tolist())]


def weights_of_codes(trained: Trained, category: int) -> dict[int, Fraction]:
    """Of a category the weight that each code had in training, or stands for."""
    design = design_of(trained)
    column, codes = design.categories[category], design.trained_codes[category].tolist()
    start = design.dense + sum(map(len, design.trained_codes[:category]))
    weights = list(map(Fraction, trained.weight[start : start + len(codes)].tolist()))
    counts = design.code_counts[category].tolist()
    average = sum(map(Fraction.__mul__, weights, map(Fraction, counts))) / sum(counts)
    found = dict(zip(codes, weights, strict=True))
    unknown = found[column.rare_code] if column.unknown == "rare" else average
    if column.missing == "unknown":
        found[column.missing_code] = unknown
    return {0: unknown, column.rare_code: unknown, column.missing_code: unknown} | found


def exact_logits(model: EncodedModel, numbers: np.ndarray, codes: np.ndarray) -> list[Fraction]:
    """Exactly, from the constants of the files."""
    affine, encoding = model.affine, model.encoding
    centers = np.zeros(len(affine.weight)) if affine.center is None else affine.center
    found = []
    for row, coded in zip(numbers.T, codes.T.tolist(), strict=True):
        filled = np.where(np.isnan(row), encoding.fill, row).tolist()
        found.append(
            Fraction(affine.bias)
            + sum(
                Fraction(w) * (Fraction(x) - Fraction(c))
                for w, x, c in zip(affine.weight.tolist(), filled, centers.tolist(), strict=True)
            )
            + sum(Fraction(t[c].item()) for t, c in zip(encoding.tables, coded, strict=True))
            + sum(map(Fraction, encoding.gap[np.isnan(row)].tolist()))
            + sum(
                on_curve(curve, filled[i])
                for i, curve in zip(encoding.bent, encoding.curves, strict=True)
            )
        )
    return found


def on_curve(curve: Curve, x: float) -> Fraction:
    j = sum(knot <= x for knot in curve.knots.tolist())
    value, slope, origin = (
        Fraction(float(part[j])) for part in (curve.value, curve.slope, curve.origin)
    )
    return value + slope * (Fraction(x) - origin)


def off(ours: list[Fraction], theirs: list[Fraction]) -> float:
    return float(max(abs(a - b) for a, b in zip(ours, theirs, strict=True)))


@pytest.mark.parametrize("form", [FOLDED, SUBTRACT_FIRST])
@pytest.mark.parametrize("offset", [0.0, 30.0, 1e5])
@pytest.mark.parametrize("kind", KINDS)
def test_the_total_bounds_the_distance_to_the_trained_model(
    kind: Kind, offset: float, form: folding.Form
) -> None:
    trained, card, rows = make(kind, seed=int(offset), offset=offset)
    model = model_of(trained, form)
    total = folding.total(trained, model.affine, card)
    encoded = encode(model.encoding, rows)
    codes = np.array(encoded.codes, int).reshape(-1, len(rows))
    trained_z = trained_logits(trained, encoded.numbers, codes)
    rounded = off(exact_logits(model, encoded.numbers, codes), trained_z)
    assert 0 < rounded <= total.rounding * (1 + 2**-20), "up to what float64 rounds of the figure"
    for layout in (ROWS, COLUMNS):
        graph = onnx_model.checked_graph(model.affine, layout, model.encoding)
        logit, _ = onnx_score(graph, layout, model.encoding)(rows)
        assert off(list(map(Fraction, logit.tolist())), trained_z) <= total.total


@pytest.mark.parametrize("form", [FOLDED, SUBTRACT_FIRST])
@pytest.mark.parametrize("kind", [(2, 1, 1), (2, 1, 0, {1, 2})])
def test_the_rounding_is_reached_by_a_row(kind: Kind, form: folding.Form) -> None:
    """So that the bound is the largest there is: of ends of ranges, segments, gaps and levels."""
    trained, card, _ = make(kind, offset=30.0)
    model = model_of(trained, form)
    low, high = folding.ranges(card, model.encoding)
    ends = [
        [a, b, *([np.nan] if np.isfinite(fill) else [])]
        for a, b, fill in zip(low.tolist(), high.tolist(), model.encoding.fill, strict=True)
    ]
    for i, curve in zip(model.encoding.bent, model.encoding.curves, strict=True):
        knots = [*curve.knots, *np.nextafter(curve.knots, np.float32(-np.inf))]
        ends[i] += [knot for knot in knots if np.float32(low[i]) <= knot <= np.float32(high[i])]
    scored = [np.flatnonzero(~np.isnan(table)).tolist() for table in model.encoding.tables]
    rows = list(product(*ends, *scored))
    numbers = np.array([row[: len(ends)] for row in rows], np.float32).T
    codes = np.array([row[len(ends) :] for row in rows], int).T
    rounded = off(exact_logits(model, numbers, codes), trained_logits(trained, numbers, codes))
    rounding = folding.total(trained, model.affine, card).rounding
    assert rounded == pytest.approx(rounding, rel=1e-6)


def test_categories_and_precise_numbers_ask_for_no_centre() -> None:
    """Only plain numbers far from zero for their spread do."""
    for kind in KINDS:
        trained, card, _ = make(kind)
        assert folding.choose(trained, card)[1].form == FOLDED
    trained, card, _ = make((3, 2, 3), offset=1e6)
    affine, found = folding.choose(trained, card)
    assert (found.form, found.share > LIMIT) == (SUBTRACT_FIRST, True)
    assert affine.center is not None
    assert (affine.center[3:] == 0).all()
    numbers = zip(design_of(trained).numbers, trained.raw_weight, strict=True)
    centred = [column.kind == "number" and weight != 0 for column, weight in numbers]
    assert (affine.center != 0).tolist() == centred


def test_a_rounded_table_is_in_the_total() -> None:
    """A model whose levels have large weights is off by what rounding them costs."""
    trained, card, _ = make((1, 0, 2))
    weight = trained.weight.copy()
    weight[design_of(trained).dense :] *= 1000
    larger = replace(trained, weight=weight)
    small, large = (
        folding.total(model, model.affine(), card).rounding for model in (trained, larger)
    )
    assert large > 100 * small
