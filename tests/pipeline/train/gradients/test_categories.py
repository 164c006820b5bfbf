"""Codes give the gradient of the one-hot matrix, to the same bits from any number of threads."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.train.encoded import coded, one_hot, rows_of
from train.gradients import category_kernels, numba_kernels
from train.gradients.category_kernels import CategorySums
from train.gradients.cpu import CategoryGradients, TorchGradients, gradient_source
from train.gradients.design import in_float64, logits, measure, reach, squared_norms
from train.gradients.source import Rows, chunks, largest

SHAPES = {
    "one category": (7, 0, (2,)),
    "one level": (100, 1, (1,)),
    "numbers and categories": (5000, 3, (9, 2, 42)),
    "no numbers": (9001, 0, (5, 5)),
    "all types of codes": (40_000, 2, (255, 300, 40_000)),
    "more levels than rows have codes": (3000, 1, (2000, 1500)),
    "many rows": (120_000, 5, (7, 700)),
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
losses = pytest.mark.parametrize("loss", ["bce", "mse", "linear"])


def gradient(source, loss: str, theta: torch.Tensor, index=None) -> torch.Tensor:
    out = torch.full_like(theta, torch.nan)
    source.gradient(loss, theta, index, out)
    return out


def drawn(rows: Rows, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(largest(rows)), generator=generator) / 2


@pytest.fixture
def threads():
    """Set how many threads torch uses, for a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@losses
@pytest.mark.parametrize("shape", [s for s in SHAPES.values() if sum(s[2]) < 1000])
def test_the_reference_has_the_gradient_of_one_hot(loss, shape):
    rows = in_float64(coded(*shape, seed=1))
    theta = drawn(rows).double()
    expected = gradient(TorchGradients(one_hot(rows)), loss, theta)
    found = gradient(TorchGradients(rows), loss, theta)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@losses
@shapes
def test_compiled_gradients_are_those_of_the_reference(loss, shape, threads):
    rows = coded(*shape, seed=2)
    theta, found = drawn(rows), []
    order = torch.randperm(len(rows.labels), generator=torch.Generator().manual_seed(3))
    some = order[: len(order) * 2 // 3]
    exact = TorchGradients(in_float64(rows))
    for number in (1, 2, 3):
        threads(number)
        for batches, index in ((False, None), (True, None), (True, some)):
            source = gradient_source(rows, batches=batches)
            assert isinstance(source, CategoryGradients)
            out = gradient(source, loss, theta, index)
            assert torch.equal(out, gradient(source, loss, theta, index)), "buffers are used again"
            expected = gradient(exact, loss, theta.double(), index)
            torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=1e-6)
            found.append(out)
    assert all(torch.equal(found[i], found[i % 3]) for i in range(9))


@pytest.mark.parametrize("chunks_at_once", [1, 3])
def test_rows_given_block_by_block_have_the_same_bits(chunks_at_once):
    rows = coded(100_000, 3, (11, 5000), seed=4)
    theta = drawn(rows)
    sums = CategorySums(100_000, 3, rows.categories, picked=False)
    whole = sums.over(0, [rows], theta.numpy()).copy()
    parts = sums.over(0, chunks(rows, chunks_at_once), theta.numpy())
    assert whole.tobytes() == parts.tobytes()


@pytest.mark.parametrize("count", [2005, 2048, 2100, 256, 1, 0])
def test_batches_of_nearly_all_rows(count):
    # Fewer rows may be cut into more segments than all rows are.
    rows = coded(2187, 2, (63, 63, 63, 63, 62, 62, 62, 62), seed=10)
    theta, index = drawn(rows), torch.arange(2187)[-count:] if count else torch.empty(0).long()
    source = CategoryGradients(rows, batches=True)
    sums = source._sums.over_picked(0, source._by_row, index.numpy(), theta.numpy())
    exact = TorchGradients(in_float64(rows))
    expected = torch.zeros(len(theta), dtype=torch.float64)
    if count:
        expected = gradient(exact, "bce", theta.double(), index) * count
    torch.testing.assert_close(torch.from_numpy(sums), expected, rtol=1e-5, atol=1e-3)


def test_sums_of_many_levels_take_little_memory():
    rows = coded(200_000, 0, (30_000, 30_000), seed=5)
    sums = CategorySums(200_000, 0, rows.categories, picked=False)
    held = sum(part.nbytes for part in sums._out)
    assert held <= 200_000 * 2 * 8, "as many as there are codes"
    sums = CategorySums(200_000_000, 0, rows.categories, picked=False)
    assert sums._out[1].nbytes <= 64 << 20, "however many rows there are"


def test_a_frequent_level_is_summed_beyond_float32():
    count = 2_000_000
    rows = rows_of(np.empty((0, count)), [np.zeros(count, int)], (2,), np.zeros(count))
    found = gradient(gradient_source(rows), "bce", torch.tensor([0.1, 0.0, 0.0]))
    assert float(found[0]) == pytest.approx(1 / (1 + np.exp(-0.1)), rel=2e-7)
    assert found[1] == 0


def test_gradients_refuse_unknown_levels():
    rows = coded(50, 1, (3, 4), seed=6)
    odd = replace(rows, codes=(rows.codes[0], rows.codes[1].clone()))
    odd.codes[1][7] = 4
    with pytest.raises(ValueError, match="rows whose codes are those of levels"):
        gradient(gradient_source(odd), "bce", drawn(rows))
    with pytest.raises(IndexError):
        logits(odd, drawn(rows))


def test_an_unknown_level_counts_as_the_mean_weight():
    rows = coded(50, 1, (3, 4), seed=7)
    theta = drawn(rows).double()
    odd = replace(rows, codes=(rows.codes[0], rows.codes[1].clone()))
    odd.codes[1][:20] = 4
    mean = float(theta[4:8] @ rows.categories.shares[1])
    expected = logits(in_float64(rows), theta)
    expected[:20] += mean - theta[4:8][rows.codes[1][:20].long()]
    cost = torch.nn.functional.binary_cross_entropy_with_logits(expected, rows.labels.double())
    hits = (expected >= 0) == (rows.labels == 1)
    found = measure(TorchGradients(in_float64(odd)), "bce", theta)
    assert found == pytest.approx((float(cost), float(hits.double().mean())), rel=1e-6)
    assert measure(gradient_source(odd), "bce", theta.float()) == pytest.approx(found, rel=1e-5)


@shapes
def test_what_is_measured_is_that_of_one_hot(shape):
    rows = coded(*shape, seed=8)
    data, theta = gradient_source(rows), drawn(rows)
    logit = logits(in_float64(rows), theta.double())
    assert float(logit.abs().max()) <= reach(data, theta.double())
    squares = rows.features.double().square().sum(0) + len(rows.codes)
    expected = float(squares.mean()) + 1, float(squares.max()) + 1
    assert squared_norms(data) == pytest.approx(expected, rel=1e-12)
    cost = torch.nn.functional.binary_cross_entropy_with_logits(logit, rows.labels.double())
    assert measure(data, "bce", theta)[0] == pytest.approx(float(cost), rel=1e-5)


def test_largest_is_one_for_levels():
    rows = coded(50, 2, (3,), seed=9)
    reached = [*rows.features.abs().amax(1).tolist(), 1, 1, 1, 1]
    assert largest(rows).tolist() == pytest.approx(reached)


def test_change_of_kernels_is_noticed_by_the_cache():
    found = sha256(Path(numba_kernels.__file__).read_bytes()).hexdigest()
    assert found == category_kernels.NUMBA_KERNELS_SHA256, (
        f"set NUMBA_KERNELS_SHA256 in category_kernels.py: {found}"
    )
