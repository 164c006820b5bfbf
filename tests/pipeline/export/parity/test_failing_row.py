"""The test that a failed proof prints: a sound bundle passes it, a damaged one fails."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.errors import ParityError
from export.formats.registry import TORCHSCRIPT
from export.parity.failing_row import as_test
from export.parity.measure import measure
from export.parity.proof_rows import proof_batches
from export.proof import scorers_of
from pipeline.export.bundle_files import affine_of, card_of, one_up, write_models, write_torch
from serve_runtime.bundle.affine import Affine

FOLDED = Affine(np.array([0.75, -1.5, 3e-5], np.float32), 0.625)
CENTERED = replace(FOLDED, center=np.array([1e4, -3.0, 1e6], np.float32))
NONE = np.empty((0, 5), np.float32)


def bias_dropped(affine: Affine) -> Affine:
    return replace(affine, bias=0.0)


def swapped(affine: Affine) -> Affine:
    return replace(affine, weight=affine.weight[[1, 0, 2, 3, 4]])


def weight_up(affine: Affine) -> Affine:
    return replace(affine, weight=one_up(affine.weight, 1))


def bias_up(affine: Affine) -> Affine:
    return replace(affine, bias=float(np.nextafter(np.float32(affine.bias), np.float32(1))))


def compiled(text: str) -> Callable[[Path], None]:
    scope: dict[str, Any] = {}
    exec(text[text.index("import sys") :], scope)
    test: Callable[[Path], None] = scope["test_row"]
    return test


@pytest.mark.parametrize("form", ["pristine", "pristine_centered"])
@pytest.mark.parametrize(
    ("batch", "damage"),
    [
        ("random rows", bias_dropped),
        ("logit sweep", swapped),
        ("probes", weight_up),
        ("probes", bias_up),
    ],
)
@pytest.mark.parametrize(
    "name", ["onnxruntime, columns, 1 thread", "Predictor, rows", TORCHSCRIPT.file_name]
)
def test_it_tells_a_damaged_bundle_from_a_sound_one(
    request: pytest.FixtureRequest,
    bundle: Path,
    form: str,
    batch: str,
    damage: Callable[[Affine], Affine],
    name: str,
) -> None:
    sound: Path = request.getfixturevalue(form)
    affine, card = affine_of(sound), card_of(sound)
    if name == TORCHSCRIPT.file_name:
        write_torch(bundle, name, damage(affine))
    else:
        damaged = damage(affine)
        write_models(bundle, damaged, replace(card, weights_sha256=damaged.sha256()))
    chosen = [s for s in scorers_of(bundle, affine) if s.name == name]
    batches = [c for c in proof_batches(card, affine, NONE) if c.name == batch]
    with pytest.raises(ParityError, match="As a test, for a checkout; it holds a row") as raised:
        measure(chosen, batches, affine).require()
    test = compiled(str(raised.value))
    test(sound)
    with pytest.raises(ParityError, match=rf"^{name}, the row, row 0: "):
        test(bundle)


@pytest.mark.parametrize("affine", [FOLDED, CENTERED], ids=["folded", "subtract-first"])
@pytest.mark.parametrize("exact", [None, np.float32(0.1)])
def test_it_holds_the_row_and_the_model_bit_for_bit(
    affine: Affine, exact: np.float32 | None
) -> None:
    row = np.array([0.1, -1e-45, 3.4e38], np.float32)
    text = as_test("Predictor, rows", row, exact, affine)
    values = [row, affine.weight, *(() if affine.center is None else (affine.center,))]
    values += [] if exact is None else [np.array([exact])]
    assert [v.tobytes().hex() for v in values] == [
        part.split('"')[0] for part in text.split('fromhex("')[1:]
    ]
    assert f", {affine.bias!r}\n" in text


@pytest.mark.parametrize("width", [64, 65])
def test_a_wide_row_is_not_printed(width: int) -> None:
    row = np.zeros(width, np.float32)
    text = as_test("torch float32", row, None, Affine(np.ones(width, np.float32), 0.0))
    remark = "\n(65 features are too many to print as a test)"
    assert (text == remark) == (width == 65)
    assert ("def test_row" in text) == (width == 64)


def test_it_takes_a_row_that_is_not_finite(pristine: Path) -> None:
    row = np.array([np.nan, 0, 0, 0, 0], np.float32)
    compiled(as_test("onnxruntime, rows, 1 thread", row, None, affine_of(pristine)))(pristine)


def test_it_fails_where_nothing_has_that_name(pristine: Path) -> None:
    text = as_test("nothing", np.zeros(5, np.float32), None, affine_of(pristine))
    with pytest.raises(AssertionError, match=r"^$"):
        compiled(text)(pristine)
