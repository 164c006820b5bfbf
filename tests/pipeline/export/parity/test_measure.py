"""The scores alone tell a damaged model from the true one, without any digest."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from export.errors import ParityError
from export.formats import onnx_model
from export.formats.artifact import Score, Scorer, Scores
from export.formats.onnxruntime_scorer import onnx_score
from export.parity.figures import Parity
from export.parity.measure import measure
from export.parity.proof_rows import ProofBatch, proof_batches
from export.parity.scorers import exact_sum_score, torch_eager_score
from pipeline.export.bundle_files import one_up, up
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.error_budgets import sigmoid
from serve_runtime.errors import LogitOverflowError
from serve_runtime.features.column import number_columns

WIDTH = 4
WEIGHT = np.array([0.75, -1.5, 3e-5, 40.0], np.float32)
FOLDED = Affine(WEIGHT, 0.625)
CENTERED = replace(FOLDED, center=np.array([1e4, -3.0, 1e6, 0.1], np.float32))
MODELS = {"folded": FOLDED, "subtract-first": CENTERED}
CARD = ModelCard(
    columns=number_columns(tuple("abcd"), (-1.0, -1.0, -1000.0, -0.1), (1.0, 2.0, 1000.0, 0.1)),
    classes=(0, 1),
    weights_sha256="",
)


@cache
def batches(form: str) -> list[ProofBatch]:
    return proof_batches(CARD, MODELS[form], np.empty((0, WIDTH), np.float32))


def found(
    score: Score,
    form: str = "folded",
    *only: str,
    finite_only: bool = False,
    wide: bool = False,
) -> Parity:
    chosen = [batch for batch in batches(form) if not only or batch.name in only]
    return measure([Scorer("damaged", score, finite_only, wide)], chosen, MODELS[form])


def graph(affine: Affine, layout: str = "rows") -> Score:
    return onnx_score(onnx_model.checked_graph(affine, layout), layout)


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("form", MODELS)
def test_the_undamaged_model_passes(form: str, layout: str) -> None:
    parity = found(graph(MODELS[form], layout), form)
    parity.require()
    assert parity.scorers["damaged"].outside == 0
    assert parity.scorers["damaged"].overall.rows > 10_000


# One unit in the last place of one value is far inside every budget; the probes read it.


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("feature", range(WIDTH))
@pytest.mark.parametrize("form", MODELS)
def test_a_weight_off_by_one_ulp_is_read_off_its_probe(form: str, feature: int, way: str) -> None:
    true = MODELS[form]
    sign = 1 if way == "up" else -1
    weight = sign * one_up(sign * true.weight, feature)
    parity = found(graph(replace(true, weight=weight)), form, "probes")
    with pytest.raises(ParityError, match=rf"^damaged, probes, row {feature + 1}: .* allowed ± 0;"):
        parity.require()
    assert parity.scorers["damaged"].outside == 1


def test_a_weight_off_by_one_ulp_is_inside_every_other_budget() -> None:
    """Why there are probes."""
    others = [batch.name for batch in batches("folded") if batch.name != "probes"]
    found(graph(replace(FOLDED, weight=one_up(WEIGHT, 1))), "folded", *others).require()


@pytest.mark.parametrize("form", MODELS)
def test_a_bias_off_by_one_ulp_is_read_off_the_first_probe(form: str) -> None:
    true = MODELS[form]
    parity = found(graph(replace(true, bias=float(up(true.bias)))), form, "probes")
    with pytest.raises(
        ParityError, match=r"^damaged, probes, row 0: logit 0\.62500\d+, exact 0\.625, allowed ± 0;"
    ):
        parity.require()
    assert parity.scorers["damaged"].outside == 1


@pytest.mark.parametrize("feature", range(WIDTH))
def test_a_centre_off_by_one_ulp_is_read_off_the_first_probe(feature: int) -> None:
    assert CENTERED.center is not None
    wrong = replace(CENTERED, center=one_up(CENTERED.center, feature))
    parity = found(graph(wrong), "subtract-first", "probes")
    with pytest.raises(ParityError, match=r"^damaged, probes, row 0: .*exact 0\.625, allowed ± 0;"):
        parity.require()


DAMAGES: dict[str, Callable[[Affine], Affine]] = {
    "two features swapped": lambda a: replace(a, weight=a.weight[[1, 0, 2, 3]]),
    "the bias dropped": lambda a: replace(a, bias=0.0),
    "a weight dropped": lambda a: replace(a, weight=a.weight * np.float32([1, 0, 1, 1])),
    "a sign turned": lambda a: replace(a, weight=a.weight * np.float32([1, 1, 1, -1])),
    "weights in float16": lambda a: replace(
        a, weight=a.weight.astype(np.float16).astype(np.float32)
    ),
    "weights in bfloat16": lambda a: replace(
        a, weight=(a.weight.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    ),
}


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("what", DAMAGES)
def test_other_values_are_out_of_the_logit_budget(what: str, layout: str) -> None:
    parity = found(graph(DAMAGES[what](FOLDED), layout), "folded", "random rows")
    with pytest.raises(ParityError, match=r"^damaged, random rows, row \d+: logit .*, exact "):
        parity.require()
    assert parity.scorers["damaged"].overall.logit.share > 1


# Scores that are changed on their way.


def changed(change: Callable[[np.ndarray, np.ndarray], Scores]) -> Score:
    true = graph(FOLDED)

    def score(rows: np.ndarray) -> Scores:
        return change(*true(rows))

    return score


def logit_moved(z: np.ndarray, p: np.ndarray) -> Scores:
    moved = np.where(np.abs(z) > 50, z * np.float32(1.0001), z)
    return moved, sigmoid(moved).astype(np.float32)


SCORES: dict[str, tuple[Callable[[np.ndarray, np.ndarray], Scores], str]] = {
    "5 ULP above": (
        lambda z, p: (z, p + 5 * np.spacing(p)), r"row \d+: .* off the sigmoid of its logit by \d",
    ),
    "exact zeros from -18 down": (
        lambda z, p: (z, np.where(z < -18, 0, p).astype(np.float32)), "off the sigmoid of its log",
    ),
    "the tail cut at 1e-30": (
        lambda z, p: (z, np.maximum(p, np.float32(1e-30))), "off the sigmoid of its logit by",
    ),
    "a logit moved, its probability too": (logit_moved, r"row \d+: logit .*, exact .*, allowed ±"),
    "NaN as a probability": (
        lambda z, p: (z, np.where(z > 3, np.nan, p).astype(np.float32)), "probability nan, off",
    ),
    "NaN as a logit": (
        lambda z, p: (np.where(z > 3, np.nan, z).astype(np.float32), p), "logit nan, exact",
    ),
    "infinity as a logit": (
        lambda z, p: (np.where(z > 60, np.inf, z).astype(np.float32), p), "logit inf, exact",
    ),
    "the clip of a logit": (lambda z, p: (np.clip(z, -88, 88), p), r"logit -?88\.0, exact"),
    "a number for NaN": (
        lambda z, p: (np.nan_to_num(z), sigmoid(np.nan_to_num(z)).astype(np.float32)),
        r"NaN and inf, row \d+: logit .*, exact (nan|-?inf)",
    ),
    "a probability for NaN": (
        lambda z, p: (z, np.nan_to_num(p)), "logit nan, exact .* by inf ULP",
    ),
    "P(negative)": (lambda z, p: (z, 1 - p), "off the sigmoid of its logit by"),
    "above 1": (
        lambda z, p: (z, np.where(z > 60, up(1), p).astype(np.float32)), "by inf ULP, allowed 4",
    ),
    "below 0": (
        lambda z, p: (z, np.where(z < -100, -p - np.float32(1e-45), p)), "by inf ULP, allowed 4",
    ),
    "rows in another order": (lambda z, p: (z[::-1], p[::-1]), r"row \d+: logit"),
}  # fmt: skip


@pytest.mark.parametrize("what", SCORES)
def test_scores_that_are_changed_leave_a_budget(what: str) -> None:
    change, message = SCORES[what]
    with np.errstate(all="ignore"):
        parity = found(changed(change))
    with pytest.raises(ParityError, match=message):
        parity.require()


def test_the_scores_that_the_changes_start_from_pass() -> None:
    """The undamaged counterpart of the tests above."""
    found(changed(lambda z, p: (z, p))).require()


SHAPES: dict[str, tuple[Callable[[np.ndarray, np.ndarray], Scores], str]] = {
    "a column": (lambda z, p: (z[:, None], p), r"gave logit with shape \({n}, 1\), float32"),
    "two columns": (
        lambda z, p: (z, np.stack((1 - p, p), 1)), r"gave probability with shape \({n}, 2\), f",
    ),
    "a row too many": (
        lambda z, p: (np.append(z, z[:1]), p), r"gave logit with shape \({more},\), float32",
    ),
    "a row too few": (lambda z, p: (z, p[1:]), r"gave probability with shape \({less},\), float32"),
    "one for all": (lambda z, p: (z[:1], p[:1]), r"gave logit with shape \(1,\), float32"),
    "float16": (
        lambda z, p: (z, p.astype(np.float16)), r"gave probability with shape \({n},\), float16",
    ),
    "int64": (lambda z, p: (z.astype(np.int64), p), r"gave logit with shape \({n},\), int64"),
    "bool": (lambda z, p: (z, p > 0.5), r"gave probability with shape \({n},\), bool"),
}  # fmt: skip


@pytest.mark.parametrize("what", SHAPES)
def test_a_wrong_shape_or_type_is_told_with_the_one_expected(what: str) -> None:
    change, message = SHAPES[what]
    with np.errstate(invalid="ignore"):
        parity = found(changed(change), "folded", "random rows")
    n = 4096
    message = message.format(n=n, more=n + 1, less=n - 1)
    with pytest.raises(
        ParityError, match=f"^damaged, random rows: {n} rows {message}.*; expected one float32 each"
    ):
        parity.require()
    assert parity.scorers["damaged"].outside == n
    assert parity.scorers["damaged"].overall.rows == 0


def test_the_first_problem_is_told_and_all_are_counted() -> None:
    parity = found(changed(lambda z, p: (z, 1 - p)), "folded", "random rows", "logit sweep")
    (problem,) = (measured.problem for measured in parity.scorers.values())
    assert problem is not None
    assert problem.startswith("damaged, random rows, row ")
    rows = [len(c.rows) for c in batches("folded") if c.name in ("random rows", "logit sweep")]
    assert sum(rows) * 0.9 < parity.scorers["damaged"].outside <= sum(rows)


def test_one_damaged_scorer_among_sound_ones_is_the_one_told() -> None:
    wrong = graph(replace(FOLDED, bias=0.0))
    scorers = [Scorer("sound", graph(FOLDED)), Scorer("damaged", wrong),
                Scorer("sound too", graph(FOLDED, "columns"))]  # fmt: skip
    parity = measure(scorers, batches("folded"), FOLDED)
    assert [name for name, m in parity.scorers.items() if m.problem] == ["damaged"]
    with pytest.raises(ParityError, match=r"^damaged, "):
        parity.require()
    assert parity.between["damaged"]["sound"][0] > 1
    assert parity.between["sound too"]["sound"][0] <= 1


# What a Predictor refuses is left out for it, and for nothing else.


def test_rows_not_finite_are_left_out_where_refused() -> None:
    true = graph(FOLDED)

    def refusing(rows: np.ndarray) -> Scores:
        assert np.isfinite(rows).all(), "a row that a Predictor would refuse"
        return true(rows)

    parity = found(refusing, finite_only=True)
    parity.require()
    everything = found(true)
    assert parity.scorers["damaged"].overall.rows == everything.scorers["damaged"].overall.rows
    with pytest.raises(AssertionError, match="a row that a Predictor would refuse"):
        found(refusing)


def test_a_reference_of_float64_is_held_to_the_budgets_too() -> None:
    """Its own sigmoid has the digits of its own logit, so no float32 steps are counted."""
    import torch

    for reference in (exact_sum_score(FOLDED), torch_eager_score(FOLDED, torch.float64)):
        found(reference, wide=True).require()
    for reference in (
        exact_sum_score(replace(FOLDED, bias=0.0)),
        torch_eager_score(DAMAGES["a sign turned"](FOLDED), torch.float64),
    ):
        with pytest.raises(ParityError, match=re.escape("damaged, random rows")):
            found(reference, wide=True).require()


def test_rows_refused_without_reason_are_a_problem() -> None:
    def refuse(rows: np.ndarray) -> Scores:
        raise LogitOverflowError(1)

    parity = found(refuse, "folded", "random rows", finite_only=True)
    with pytest.raises(ParityError, match=r"^damaged, random rows: 4096 .* refused: row 1 is so"):
        parity.require()
    assert parity.scorers["damaged"].outside == 4096
