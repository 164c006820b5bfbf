"""The tables that a person reads of a proof."""

from dataclasses import replace

import numpy as np

from export.formats.artifact import Scorer
from export.parity import tables
from export.parity.figures import RANGES, Errors, Figures, Measured, Parity
from export.parity.measure import measure
from export.parity.proof_rows import ProofBatch
from serve_runtime.bundle.affine import Affine
from serve_runtime.error_budgets import sigmoid


def figures(rows: int = 1, size: float = 0.0, share: float = 0.0, kernel: float = 0.0) -> Figures:
    errors = Errors(size, 2 * size, 3 * size, share)
    return Figures(rows, errors, replace(errors, share=share / 2), kernel)


def parity(**scorers: dict[str, Figures]) -> Parity:
    return Parity(
        {name: Measured(figures(), buckets, None, 0) for name, buckets in scorers.items()}, {}
    )


def test_the_overview_has_a_line_for_each_scorer_in_order() -> None:
    found = Parity(
        {
            "second": Measured(figures(12345, 1.5e-7, 0.25, 1.234), {}, None, 0),
            "first": Measured(figures(), {}, None, 0),
        },
        {},
    )
    table = tables.overview(found)
    assert table.heading[0] == "scored by"
    assert [list(row) for row in table.rows] == [
        ["second", "12,345", "1.5e-07", "25.0%", "1.5e-07", "12.5%", "1.23"],
        ["first", "1", "0", "0.0%", "0", "0.0%", "0.00"],
    ]
    assert {len(row) for row in table.rows} == {len(table.heading)}


def test_ranges_come_in_the_order_of_the_logit() -> None:
    buckets = {label: figures() for label in reversed(RANGES)}
    assert [row[0] for row in tables.by_logit(parity(a=buckets), ["a"]).rows] == list(RANGES)
    assert RANGES[0] == "[-inf, -104)"
    assert RANGES[5:7] == ("[-8, 0)", "[0, 8)")
    assert RANGES[-2:] == ("[104, inf)", "any, bound ≥ 1")


def test_empty_ranges_are_left_out_and_the_worst_is_shown() -> None:
    found = parity(
        a={"[0, 8)": figures(10, 1.0, 0.5, 1.0), "[8, 18)": figures(3)},
        b={"[0, 8)": figures(20, 0.5, 0.75, 2.0)},
        c={"[0, 8)": figures(99, 9.0, 9.0, 9.0), "[18, 88.7)": figures(99)},
    )
    table = tables.by_logit(found, ["a", "b"])
    assert [list(row) for row in table.rows] == [
        ["[0, 8)", "20", "1", "2", "3", "75.0%", "1", "2", "3", "37.5%", "2.00"],
        ["[8, 18)", "3", "0", "0", "0", "0.0%", "0", "0", "0", "0.0%", "0.00"],
    ]
    assert {len(row) for row in table.rows} == {len(table.heading)}


def test_between_has_logits_below_and_probabilities_above() -> None:
    found = replace(
        parity(a={}, b={}, c={}),
        between={"b": {"a": (0.125, 3.0)}, "c": {"a": (1e-9, 0.0), "b": (0.0, 2000.0)}},
    )
    table = tables.between(found)
    assert table.heading == ("", "1", "2", "3")
    assert table.rows == [
        ["1 a", "·", "3", "="],
        ["2 b", "12.5%", "·", "2,000"],
        ["3 c", "0.0%", "=", "·"],
    ]


def test_scorers_that_never_differ_share_a_line() -> None:
    found = replace(
        parity(a={}, b={}, c={}, d={}),
        between={
            "b": {"a": (0.5, 1.0)},
            "c": {"a": (0.0, 0.0), "b": (0.5, 1.0)},
            "d": {"a": (0.0, 0.0), "b": (0.5, 1.0), "c": (0.0, 0.0)},
        },
    )
    assert [row[0] for row in tables.overview(found).rows] == ["a (and 2 alike)", "b"]
    assert tables.between(found).rows == [
        ["1 a (and 2 alike)", "·", "1"],
        ["2 b", "50.0%", "·"],
    ]


def test_scorers_of_equal_scores_and_other_figures_do_not() -> None:
    """One was not asked for the rows that it refuses."""
    found = replace(parity(a={}, b={}), between={"b": {"a": (0.0, 0.0)}})
    found = replace(found, scorers={**found.scorers, "b": Measured(figures(7), {}, None, 0)})
    assert [row[0] for row in tables.overview(found).rows] == ["a", "b"]


def test_differences_are_found_by_the_proof() -> None:
    affine = Affine(np.array([1.0], np.float32), 0.0)
    rows = np.linspace(-3, 3, 50, dtype=np.float32)[:, None]

    def score(by: int) -> Scorer:
        def scores(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            logit = rows[:, 0]
            p = sigmoid(logit).astype(np.float32)
            return logit, (p.view(np.int32) + by).view(np.float32)

        return Scorer(f"off by {by}", scores)

    found = measure([score(by) for by in (0, 1, 0)], [ProofBatch("rows", rows)], affine)
    assert tables.between(replace(found, scorers=dict(found.scorers))).rows == [
        ["1 off by 0", "·", "1"],
        ["2 off by 1", "=", "·"],
    ]
