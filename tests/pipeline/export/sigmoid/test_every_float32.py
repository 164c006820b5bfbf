"""The proof of logit -> probability: it covers every float32, and it finds what is wrong."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import pytest
from click.testing import CliRunner, Result

from export.cli import main, prove_sigmoid
from export.formats.artifact import Score, Scores
from export.sigmoid import every_float32
from export.sigmoid import every_float32 as sigmoid_module
from export.sigmoid.every_float32 import (
    EDGES,
    SigmoidProof,
    failures,
    prove,
    reference_ulp,
    report,
)
from export.sigmoid.kernels import KERNELS, REQUIRED, onnx_sigmoid
from export.sigmoid.spans import NUMBERS, PATTERNS, Count, float32_at
from pipeline.export.sigmoid.made_kernels import exact, rank_of, up
from serve_runtime.error_budgets import sigmoid

NARROW = (-1.0, -0.997, -0.994)
"""Two ranges of 50 331 floats each: more than one block, and quick to go through."""
EVERY = 200_000
"""A sample that leaves out nothing of NARROW."""
BLOCK = every_float32._BLOCK


def wrong_at(logit: np.float32, change: Callable[[np.ndarray], object]) -> Score:
    """The exact kernel, its probability changed at one bit pattern."""

    def score(rows: np.ndarray) -> Scores:
        z, p = exact(rows)
        place = z.view(np.uint32) == logit.view(np.uint32)
        p[place] = change(p[place])
        return z, p

    return score


def logit_at(rank: int) -> np.float32:
    return float32_at(np.array([rank]))[0]


def narrow(score: Score, edges: tuple[float, ...] = NARROW) -> SigmoidProof:
    return prove("made", score, edges=edges, sample=EVERY)


"""Where float32 logits lie closest together for what exp can tell apart: no sample is enough."""


# What the proof finds


def test_the_exact_kernel_passes_and_nothing_is_left_out() -> None:
    proof = narrow(exact)
    assert failures(proof) == []
    assert all(span.logits > BLOCK for span in proof.ranges)
    assert proof.whole.logits == rank_of(NARROW[-1]) - rank_of(NARROW[0]) + 1
    assert [span.low for span in proof.ranges] == [-1, float(np.float32(-0.997))]
    assert proof.ranges[0].high == logit_at(rank_of(-0.997) - 1)
    assert proof.whole.ulp <= 0.5 + 2**-20


@pytest.mark.parametrize(
    "rank",
    [rank_of(-1) + 5000, rank_of(-1) + BLOCK - 1, rank_of(-0.997) - 1],
    ids=["within a block", "between blocks", "between ranges"],
)
def test_one_decrease_is_found_where_it_is(rank: int) -> None:
    proof = narrow(wrong_at(logit_at(rank), lambda p: up(p, 2)))
    lower = logit_at(rank + 1)
    assert proof.whole.decreases == Count(1, float(lower))
    assert 1 <= proof.whole.decrease_ulp <= 2
    assert failures(proof) == [
        f"decreases: 1, the first at logit {lower!s}, by {proof.whole.decrease_ulp:.4g} ULP at most"
    ]


def test_a_fall_to_zero_is_measured_in_ulp_of_where_it_began() -> None:
    logit = logit_at(rank_of(-18) + 99)
    proof = narrow(wrong_at(logit, lambda p: 0 * p), edges=(-18.0, -17.999))
    assert proof.whole.decreases == Count(1, float(logit))
    assert 2**23 <= proof.whole.decrease_ulp < 2**24


@pytest.mark.parametrize(
    ("low", "high", "value"),
    [(18.0, 18.01, 1.0000001), (-104.5, -104.4, -1e-45), (18.0, 18.01, np.inf)],
)
def test_a_probability_outside_0_and_1_is_found(low: float, high: float, value: float) -> None:
    logit = logit_at(rank_of(low) + 700)
    proof = narrow(wrong_at(logit, lambda _: value), edges=(low, high))
    assert proof.whole.outside == Count(1, float(logit))
    assert f"probabilities outside [0, 1]: 1, the first at logit {logit!s}" in failures(proof)
    extremes = np.array([proof.whole.smallest, proof.whole.largest], np.float32)
    assert np.float32(value) in extremes


def test_five_ulp_at_one_logit_are_found() -> None:
    logit = logit_at(rank_of(-0.997) + BLOCK + 99)
    proof = narrow(wrong_at(logit, lambda p: up(p, 5)))
    assert proof.ranges[0].ulp <= 0.51
    assert proof.ranges[1].ulp == pytest.approx(5, abs=0.51)
    assert proof.whole.ulp_at == logit
    assert failures(proof)[0].endswith(
        f"ULP from the exact sigmoid at logit {logit!s}, where 3 are allowed from -87 up"
    )


def test_below_the_lowest_logit_ulp_are_only_reported() -> None:
    proof = narrow(wrong_at(np.float32(-88), lambda p: 0 * p), edges=(-88.0, -87.99))
    assert proof.whole.ulp > 1e6
    assert failures(proof) == []


def test_nan_for_a_number_is_found() -> None:
    logit = np.float32(-0.9945)
    proof = narrow(wrong_at(logit, lambda _: np.nan))
    assert (proof.whole.ulp, proof.whole.ulp_at) == (np.inf, logit)
    assert proof.whole.outside == Count(1, float(logit))
    assert failures(proof)[0].startswith(f"inf ULP from the exact sigmoid at logit {logit!s}")


def test_zero_for_every_nan_is_found() -> None:
    def score(rows: np.ndarray) -> Scores:
        z, p = exact(rows)
        return z, np.nan_to_num(p)

    proof = narrow(score)
    assert proof.nan.outside.times == proof.nan.logits > 10_000
    assert failures(proof) == [f"{proof.nan.logits:,} of {proof.nan.logits:,} NaNs do not give NaN"]


@pytest.mark.parametrize("rank", [NUMBERS, PATTERNS - 1])
def test_a_number_for_one_nan_is_found(rank: int) -> None:
    proof = narrow(wrong_at(logit_at(rank), lambda _: 0.5))
    assert failures(proof) == [f"1 of {proof.nan.logits:,} NaNs do not give NaN"]


@pytest.mark.parametrize(
    ("logit", "text"), [(-np.inf, "-inf gives 1e-07, not 0"), (np.inf, "+inf gives 1e-07, not 1")]
)
def test_a_wrong_limit_is_found(logit: float, text: str) -> None:
    assert failures(narrow(wrong_at(np.float32(logit), lambda _: 1e-7))) == [text]


def test_a_changed_logit_is_found() -> None:
    def flush(rows: np.ndarray) -> Scores:
        """Subnormal logits become 0."""
        z, p = exact(rows)
        return np.where(np.abs(z) < np.finfo(np.float32).tiny, np.float32(0), z), p

    low = np.finfo(np.float32).tiny
    proof = narrow(flush, edges=(float(low - np.float32(1e-41)), float(low)))
    changed = rank_of(float(low)) - rank_of(proof.whole.low)
    assert failures(proof) == [
        f"logits changed by 1·x + 0: {changed:,}, the first at logit "
        f"{np.float32(proof.whole.low)!s}"
    ]


def test_an_error_of_the_kernel_ends_the_proof() -> None:
    def broken(rows: np.ndarray) -> Scores:
        raise RuntimeError(f"no memory for {rows.shape}")

    with pytest.raises(RuntimeError, match=r"^no memory for \(\d+, 1\)$"):
        narrow(broken)


# The reference


def test_the_float64_reference_agrees_with_decimal() -> None:
    logits = np.concatenate([EDGES, np.linspace(-110, 40, 1500), [-3e38, 3e38, 1e-45]])
    assert reference_ulp(logits.astype(np.float32)) < 2**-27


def test_a_wrong_reference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sigmoid_module, "sigmoid", lambda z: sigmoid(z) * (1 + 2**-40))
    off = reference_ulp(np.array([-3], np.float32))
    assert off == pytest.approx(2**-16, rel=0.5)
    proof = replace(narrow(exact), reference_ulp=off)
    assert failures(proof) == [f"the float64 reference is off by {off:.3g} float32 ULP"]


# The command


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["sigmoid", *arguments])


def test_the_command_offers_every_kernel() -> None:
    kernel = next(option for option in prove_sigmoid.params if option.name == "kernel")
    assert list(kernel.type.choices) == [*KERNELS, "all"]
    assert set(REQUIRED) <= KERNELS.keys()


def test_the_command_prints_a_table_and_the_verdict() -> None:
    result = run("--sample", "50000")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].startswith("exported: ")
    assert lines[0].endswith(" of 4,294,967,296 float32 logits")
    table = lines[1 : len(EDGES) + 2]
    assert len({len(line) for line in table}) == 1
    assert lines[1].split()[:3] == ["from", "to", "logits"]
    assert [line.split()[0] for line in table[1:]] == [
        *(str(np.float32(edge)) for edge in EDGES[:-1]),
        "-inf",
    ]
    assert "-inf gives 0.0, -0 gives 0.5, +0 gives 0.5, +inf gives 1.0, NaN gives" in result.output
    assert lines[-2].startswith("nothing found in this sample against: at most 3 ULP from -87 up")


def test_only_a_complete_run_is_called_a_proof() -> None:
    proof = narrow(exact)
    assert "\nproven: " not in report(proof)
    missing = PATTERNS - proof.nan.logits
    complete = replace(proof, whole=replace(proof.whole, logits=missing))
    assert "\nproven: at most 3 ULP from -87 up" in report(complete)


def test_the_command_exits_1_after_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KERNELS, "exported", onnx_sigmoid)
    result = run("--sample", "50000")
    assert result.exit_code == 1
    assert "\nnot proven: " in result.stdout
    assert result.stderr.startswith("Error: the sigmoid of exported is not proven: ")


def test_other_kernels_are_only_reported() -> None:
    result = run("--kernel", "all", "--sample", "20000")
    assert result.exit_code == 0, result.output
    headings = [line.split(":")[0] for line in result.output.splitlines() if " float32 log" in line]
    assert headings == list(KERNELS)
    assert "\nnot proven: " in result.output


def test_a_sample_of_nothing_is_refused() -> None:
    assert run("--sample", "0").exit_code == 2


def test_a_proof_is_made_of_plain_values() -> None:
    proof = narrow(exact)
    document = json.loads(json.dumps(asdict(proof)))
    assert document["ranges"][0]["logits"] == proof.ranges[0].logits
    assert document["whole"]["decreases"] == {"times": 0, "first": None}
    assert report(proof).startswith("made: ")
