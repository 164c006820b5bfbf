"""Rows on a GPU: what can be checked without one is checked without one."""

import importlib.util
import os
import subprocess
import sys

import pytest
import torch

from train.errors import TrainError
from train.gradients.cpu import TorchGradients
from train.gradients.design import measure
from train.gradients.gpu import GpuGradients
from train.gradients.source import Rows, chunks, largest
from train.optimize.newton import find_minimum
from train.optimize.separation import each_alone

KERNEL = """
import torch
from train.gradients.triton_kernels import gradient_sums, programs
from train.gradients.gpu import _torch_sums
from train.gradients.source import Rows
generator = torch.Generator().manual_seed(0)
for width in (1, 2, 7, 30, 256):
    for rows in (1, 6, 1000, 5000):
        x = torch.randn(width, rows + 3, generator=generator)[:, :rows]
        y = torch.randint(2, (rows,), generator=generator).float()
        theta = torch.randn(width + 1, generator=generator) / width**0.5
        for loss in ("bce", "mse", "linear"):
            partial = torch.empty(programs(x.device), width + 1)
            found = gradient_sums(loss, x, y, theta, partial)
            expected = _torch_sums(loss, Rows(x.double(), y.double()), theta.double())
            assert (found - expected).abs().max() <= 1e-5 * expected.abs().max(), (width, rows)
"""


def test_the_kernel_is_right_in_tritons_interpreter():
    if importlib.util.find_spec("triton") is None:
        pytest.skip("Triton is not installed: torch brings it along for GPUs")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", KERNEL], check=True, env=environment)


def some(count: int, width: int = 4) -> Rows:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(2, (count,), generator=generator).float()
    return Rows(torch.randn(width, count, generator=generator), labels)


def on(device: str, rows: Rows, *, resident: bool, blocks: int = 1) -> GpuGradients:
    step = -(-len(rows.labels) // blocks)

    def pieces():
        for start in range(0, len(rows.labels), step):
            here = slice(start, start + step)
            yield Rows(rows.features[:, here], rows.labels[here])

    return GpuGradients(
        pieces, len(rows.labels), largest(rows), torch.device(device), resident=resident
    )


def check_against_the_reference(device: str, resident: bool, count: int) -> None:
    rows = some(count)
    ours, theirs = on(device, rows, resident=resident, blocks=3), TorchGradients(rows)
    theta = torch.linspace(-1, 1, 5)
    for loss in ("bce", "mse", "linear"):
        for scale in (1.0, 0.5):  # twice, so that what is recorded is replayed with other weights
            found, expected = torch.empty(5, device=device), torch.empty(5)
            ours.gradient(loss, (theta * scale).to(device), None, found)
            theirs.gradient(loss, theta * scale, None, expected)
            torch.testing.assert_close(found.cpu(), expected, rtol=1e-5, atol=1e-6)
    assert measure(ours, "bce", theta.to(device)) == pytest.approx(
        measure(theirs, "bce", theta), rel=1e-5
    )


@pytest.mark.parametrize("resident", [True, False])
def test_the_data_path_is_right_on_a_cpu(resident):
    check_against_the_reference("cpu", resident, 10_000)


@pytest.mark.gpu
@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("count", [6, 10_000, 3_000_000])
def test_the_data_path_is_right_on_a_gpu(cuda, resident, count):
    check_against_the_reference(cuda.type, resident, count)


def check_the_minimum(device: str, resident: bool) -> None:
    rows = some(20_000)
    ours = on(device, rows, resident=resident, blocks=3)
    found = find_minimum(ours, torch.ones(5, device=device), 0.0, 60)
    expected = find_minimum(TorchGradients(rows), torch.ones(5), 0.0, 60)
    assert found.converged
    torch.testing.assert_close(found.theta.cpu(), expected.theta, rtol=1e-7, atol=1e-10)
    flag = rows.features[:1] > 3
    rows = Rows(torch.cat([rows.features, flag.float()]), torch.where(flag[0], 1, rows.labels))
    ours = on(device, rows, resident=resident, blocks=3)
    search = find_minimum(ours, torch.zeros(6, device=device), 0.0, 60)
    assert search.direction is not None
    assert [each.feature for each in each_alone(ours)] == [4]


@pytest.mark.parametrize("resident", [True, False])
def test_the_minimum_is_found_on_a_cpu(resident):
    check_the_minimum("cpu", resident)


@pytest.mark.gpu
@pytest.mark.parametrize("resident", [True, False])
def test_the_minimum_is_found_on_a_gpu(cuda, resident):
    check_the_minimum(cuda.type, resident)


@pytest.mark.gpu
def test_a_recorded_gradient_follows_the_weights(cuda):
    rows = some(6, 2)
    data, theta = on(cuda.type, rows, resident=True), torch.zeros(3, device=cuda)
    out, expected = torch.empty(3, device=cuda), torch.empty(3)
    for _ in range(5):
        data.gradient("bce", theta, None, out)
        TorchGradients(rows).gradient("bce", theta.cpu(), None, expected)
        torch.testing.assert_close(out.cpu(), expected, rtol=1e-5, atol=1e-6)
        theta -= out


def test_mini_batches_need_all_rows_on_the_gpu():
    with pytest.raises(TrainError, match=r"mini-batches on a GPU need all rows in its memory"):
        on("cpu", some(100), resident=False).batches(10, torch.Generator())


def test_mini_batches_take_every_row_once():
    rows = some(100)
    data, theta = on("cpu", rows, resident=True), torch.ones(5)
    seen = []
    for index in data.batches(30, torch.Generator().manual_seed(0)):
        seen += index.tolist()
        found, expected = torch.empty(5), torch.empty(5)
        data.gradient("bce", theta, index, found)
        TorchGradients(rows).gradient("bce", theta, index, expected)
        assert torch.equal(found, expected)
    assert sorted(seen) == list(range(100))


def test_parts_are_the_rows_in_order():
    rows = some(100_000, 30)
    found = list(chunks(rows, 2))
    assert len(found) > 1
    assert torch.equal(torch.cat([part.features for part in found], 1), rows.features)
