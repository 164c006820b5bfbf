"""The pictures of a proof show its figures."""

import re

import numpy as np
import pytest

from export.formats.artifact import Scores
from export.sigmoid.kernels import KERNELS
from report.figures.proof import largest_errors, sampled_logits, shares, sigmoids
from serve_runtime.arrays import Float32
from serve_runtime.error_budgets import sigmoid


def bars(text: str) -> list[float]:
    """The length of each bar, in the order in which they are drawn."""
    bar = r'<path d="M ([\d.]+) [\d.]+ \nL ([\d.]+) [^"]*" clip-path="[^"]*" fill="var\(--[ao]'
    found = re.findall(bar, text)
    return [float(x1) - float(x0) for x0, x1 in found]


def test_bars_are_as_long_as_the_shares() -> None:
    used = {"a": (0.5, 0.25), "b": (0.1, 1.0), "c<d>": (0.0, 0.03)}
    text = shares("k", used)
    lengths = np.array(bars(text)).reshape(2, 3).T
    assert lengths / lengths.max() == pytest.approx(np.array([*used.values()]), abs=2e-3)
    assert "50.0% · 25.0%" in text
    assert "c&lt;d&gt;" in text
    assert "The longest is 100.0%, of b." in text


def test_the_same_figures_have_the_same_bytes() -> None:
    assert shares("k", {"a": (0.5, 0.25)}) == shares("k", {"a": (0.5, 0.25)})
    errors = {"one": np.ones(220), "other": np.full(220, 1e6)}
    text = sigmoids("k", errors, "said")
    assert text == sigmoids("k", errors, "said")
    for tick in ("10²", "10⁶", "−100"):
        assert f">{tick}<" in text
    assert "mathdefault" not in text


def test_the_exact_sigmoid_is_within_half_a_step() -> None:
    def exact(rows: Float32) -> Scores:
        return rows, sigmoid(rows[:, 0]).astype(np.float32)

    found = largest_errors(exact)
    assert found.shape == (220,)
    assert 0.4 < found.max() <= 0.5
    assert len(sampled_logits()) == 8001


def test_ours_keeps_what_onnx_loses() -> None:
    ours, theirs = (largest_errors(KERNELS[name]()) for name in ("exported", "onnx-sigmoid"))
    served = slice(110 - 87, None)
    assert ours[served].max() <= 3
    assert theirs[110 - 40] > 1e6  # from a logit of -40 to -39
