"""Every contract holds for models of every width, and at the ends of float32."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from export.errors import ParityError
from export.parity.contracts.consecutive import WINDOW, WINDOWS
from pipeline.export.bundle_files import Model, write_graphs
from pipeline.export.parity.contracts.all_contracts import (
    BITS,
    CONSECUTIVE,
    FEATURES,
    FILE,
    NEIGHBOURS,
    REFUSED,
    RISING,
    check,
)
from serve_runtime.bundle.affine import Affine
from serve_runtime.error_budgets import LARGEST

WIDTHS = (1, 2, 3, 8, 31, 128, 129, 1000)


@pytest.mark.parametrize("centered", [False, True], ids=["folded", "subtract-first"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_contract_holds_for_every_width(
    models: Callable[[int, bool], Model], width: int, centered: bool
) -> None:
    shown = check(models(width, centered))
    assert shown.keys() == {BITS, RISING, FEATURES, REFUSED, NEIGHBOURS, FILE, CONSECUTIVE}
    assert shown[BITS] > 2 * 33 * 34
    assert shown[REFUSED] >= 2 * 7 * 15
    assert shown[CONSECUTIVE] == len(WINDOWS) * WINDOW * 4
    assert shown[RISING] == 2 * len(models(width, centered).batches["logit sweep"].rows) > 2000
    assert shown[FEATURES] == 2 * 3 * 66 * min(width, 64)
    assert shown[NEIGHBOURS] == 2 * 16
    assert shown[FILE] > 2 * 2000


@pytest.mark.parametrize("zeros", [[1], [0, 1]], ids=["one", "all"])
def test_every_contract_holds_without_a_weight(tmp_path: Path, zeros: list[int]) -> None:
    weight = np.ones(2, np.float32)
    weight[zeros] = 0
    check(write_graphs(tmp_path, Affine(weight, 0.5), np.zeros(2), np.ones(2)))


@pytest.mark.parametrize(
    ("low", "high"),
    [([0, LARGEST], [1, LARGEST]), ([0, -LARGEST], [1, LARGEST])],
    ids=["constant", "both signs"],
)
def test_every_contract_holds_at_the_end_of_float32(
    tmp_path: Path, low: list[float], high: list[float]
) -> None:
    affine = Affine(np.array([1, 1e-38], np.float32), 0.5)
    with np.errstate(all="ignore"):
        check(write_graphs(tmp_path, affine, np.array(low), np.array(high)))


def test_a_model_whose_rows_all_overflow_is_told_so(tmp_path: Path) -> None:
    affine = Affine(np.array([1e10], np.float32), 0.5)
    model = write_graphs(tmp_path, affine, np.array([1e37]), np.array([1e38]))
    with pytest.raises(ParityError, match="every row within the training ranges overflows float32"):
        check(model)
