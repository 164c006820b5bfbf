"""A sigmoid that wavers between neighbouring logits is caught, whatever scores it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.errors import ParityError
from export.parity.contracts import consecutive
from export.parity.contracts.consecutive import (
    FURTHER_WINDOWS,
    WINDOW,
    rising_from_logit_to_logit,
)
from export.runtimes.prove_here import prove
from export.verify import verify_bundle
from pipeline.export.parity.contracts.broken import Change, alike, broken, true

DIP = np.float32(-0.99)
"""A logit in the window around -1."""


def dipped(z: np.ndarray, p: np.ndarray, at: np.float32 = DIP) -> np.ndarray:
    """One probability is four units in the last place too low, which is within its budget or not
    much beyond, and below that of the logit before."""
    return np.where(z == at, p - 4 * np.spacing(p), p)


BROKEN: dict[str, tuple[Change, str]] = {
    "one fall": (alike(dipped), r"rows at 1 thread: the probability falls from .* at -0\.99$"),
    "a fall at threads": (
        lambda s, x, z, p: (z, dipped(z, p) if s.threads > 1 else p),  # type: ignore[attr-defined]
        r"rows at 3 threads: the probability falls from .* at -0\.99$",
    ),
    "a fall in columns": (
        lambda s, x, z, p: (z, dipped(z, p) if isinstance(x, dict) else p),
        r"columns at 1 thread: the probability falls from .* at -0\.99$",
    ),
    "units off": (
        alike(lambda z, p: p * np.float32(1 + 6e-7)),
        r"rows at 1 thread: the probability .* is off the exact sigmoid by [5-9]\.\d+ ULP",
    ),
    "NaN": (
        alike(lambda z, p: np.where(z == DIP, np.nan, p)),
        r"rows at 1 thread: the probability nan at logit -0\.99 is outside \[0, 1]",
    ),
    "another logit": (
        lambda s, x, z, p: (np.where(z == DIP, np.float32(-0.9), z), p),
        r"rows at 1 thread: 1 · -0\.99 \+ 0 gives the logit -0\.9$",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_sigmoid_that_wavers_is_caught(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change, message = BROKEN[what]
    broken(change, monkeypatch, module=consecutive)
    with pytest.raises(
        ParityError, match=rf"^the sigmoid of model\.(columnar\.)?onnx in {message}"
    ):
        rising_from_logit_to_logit((-1.0,))


def test_a_sigmoid_that_is_changed_in_no_way_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The undamaged counterpart of the tests around."""
    broken(true, monkeypatch, module=consecutive)
    assert rising_from_logit_to_logit((-1.0,)) == 4 * WINDOW


def test_p_negative_that_rises_with_the_logit_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    broken(true, monkeypatch, lambda x, z, p: dipped(z, p), consecutive)
    with pytest.raises(
        ParityError, match=r"P\(negative\), by the negated logit, falls from .* at 0\.99$"
    ):
        rising_from_logit_to_logit((-1.0,))


def test_methods_that_disagree_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(consecutive.Predictor):
        def scores(self, x: Any) -> Any:
            z, p = super().scores(x)
            return z, np.nextafter(p, np.float32(2))

    monkeypatch.setattr(consecutive, "Predictor", Broken)
    with pytest.raises(ParityError, match="scores and predict_proba have other bits around logit"):
        rising_from_logit_to_logit((-1.0,))


def test_the_windows_hold_at_the_ends_of_float32() -> None:
    windows = (-1e38, -88.0, 0.0, 88.7, 1e38)
    assert rising_from_logit_to_logit(windows) == len(windows) * 4 * WINDOW


def test_a_window_holds_every_logit_around_its_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    broken(
        lambda s, x, z, p: seen.append(z) or (z, p),  # type: ignore[func-returns-value]
        monkeypatch,
        module=consecutive,
    )
    rising_from_logit_to_logit((-17.33,))
    for z in seen:
        assert np.array_equal(np.nextafter(z[:-1], np.float32(np.inf)), z[1:])
        assert z[0] < -18.3
        assert z[-1] > -16.4


@pytest.mark.parametrize("proof", [verify_bundle, prove])
def test_verify_and_prove_here_try_further_windows(
    pristine: Path, proof: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = np.float32(FURTHER_WINDOWS[1])
    broken(alike(lambda z, p: dipped(z, p, at)), monkeypatch, module=consecutive)
    with pytest.raises(ParityError, match=r"the probability falls from .* at -1\.7$"):
        proof(pristine)
