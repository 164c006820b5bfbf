"""Rows on a GPU: what can be checked without one is checked without one."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.train.encoded import coded
from train.dataset import in_memory
from train.errors import TrainError
from train.gradients.cpu import TorchGradients
from train.gradients.design import add_sorted, in_float64, measure
from train.gradients.gpu import GpuGradients
from train.gradients.source import Rows, chunks, largest
from train.optimize.newton import find_minimum
from train.optimize.separation import each_alone
from train.persistence import run_folder
from train.recipe.recipe import Recipe

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
        w = torch.rand(rows, generator=generator) * 2
        for loss in ("bce", "mse", "linear"):
            for weights in (None, w):
                partial = torch.empty(programs(x.device), width + 1)
                found = gradient_sums(loss, x, y, weights, theta, partial)
                plain = Rows(x, y, weights=weights).in_type(torch.float64)
                expected = _torch_sums(loss, plain, theta.double())
                worst = (found - expected).abs().max()
                assert worst <= 1e-5 * expected.abs().max(), (width, rows)
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
            yield rows.at(slice(start, start + step))

    return GpuGradients(
        pieces,
        len(rows.labels),
        largest(rows),
        torch.device(device),
        resident=resident,
        categories=rows.categories,
    )


def check_against_the_reference(device: str, resident: bool, rows: Rows) -> None:
    ours, theirs = on(device, rows, resident=resident, blocks=3), TorchGradients(in_float64(rows))
    theta = torch.linspace(-1, 1, len(largest(rows)))
    used = torch.empty_like(theta, device=device)
    found, expected = torch.empty_like(used), torch.empty_like(theta).double()
    for loss in ("bce", "mse", "linear"):
        for scale in (1.0, 0.5):  # twice, so that what is recorded is replayed with other weights
            used.copy_(theta * scale)
            ours.gradient(loss, used, None, found)
            theirs.gradient(loss, (theta * scale).double(), None, expected)
            torch.testing.assert_close(found.cpu().double(), expected, rtol=1e-5, atol=1e-6)
            first = found.clone()
            ours.gradient(loss, used, None, found)
            assert torch.equal(found, first), "the same bits each time"
    assert measure(ours, "bce", theta.to(device)) == pytest.approx(
        measure(theirs, "bce", theta.double()), rel=1e-5
    )


SHAPES = {
    "few rows": (60, 2, (3, 2)),
    "a recorded gradient": (10_000, 3, (9, 2)),
    "many levels": (20_000, 2, (9, 300)),
    "no numbers": (300_000, 0, (2, 3)),
    "all types of codes": (80_000, 1, (255, 300, 40_000)),
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
residence = pytest.mark.parametrize("resident", [True, False], ids=["resident", "passing"])


@residence
@shapes
def test_codes_are_right_on_a_cpu(resident, shape):
    check_against_the_reference("cpu", resident, coded(*shape, seed=1))


@pytest.mark.gpu
@residence
@pytest.mark.parametrize("shape", [*SHAPES.values(), (3_000_000, 4, (2, 7, 1000))],
                         ids=[*SHAPES, "many rows"])  # fmt: skip
def test_codes_are_right_on_a_gpu(cuda, resident, shape):
    check_against_the_reference(cuda.type, resident, coded(*shape, seed=1))


def with_weights(shape) -> Rows:
    rows = coded(*shape, seed=1)
    weights = torch.rand(len(rows.labels), generator=torch.Generator().manual_seed(2))
    return replace(rows, weights=weights / weights.mean())


WEIGHTED = [(60, 2, (3, 2)), (10_000, 3, ()), (20_000, 2, (9, 300))]


@residence
@pytest.mark.parametrize("shape", WEIGHTED)
def test_weights_are_right_on_a_cpu(resident, shape):
    check_against_the_reference("cpu", resident, with_weights(shape))


@pytest.mark.gpu
@residence
@pytest.mark.parametrize("shape", [*WEIGHTED, (3_000_000, 4, ())])
def test_weights_are_right_on_a_gpu(cuda, resident, shape):
    check_against_the_reference(cuda.type, resident, with_weights(shape))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("count", "size"), [(0, 3), (1, 1), (5, 9), (100_000, 2), (100_000, 700)])
def test_sums_of_sorted_codes_are_those_by_code(dtype, count, size):
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(size, (count,), generator=generator).to(torch.int16)
    values, out = torch.rand(count, generator=generator).to(dtype), torch.ones(2, size).to(dtype)
    add_sorted(codes, values, out[1])
    expected = 1 + np.bincount(codes.numpy(), values.numpy(), size)
    np.testing.assert_allclose(out[1].numpy(), expected, rtol=torch.finfo(dtype).eps * 8)
    assert out[0].eq(1).all()


def check_unknown_levels(device: str, resident: bool) -> None:
    rows = coded(5000, 2, (3, 300), seed=2)
    for codes, size in zip(rows.codes, rows.categories.sizes, strict=True):
        codes[::7] = size
    theta = torch.linspace(-1, 1, len(largest(rows)))
    found = measure(on(device, rows, resident=resident, blocks=3), "bce", theta.to(device))
    assert found == pytest.approx(measure(TorchGradients(rows), "bce", theta), rel=1e-5)


@residence
def test_unknown_levels_are_measured_on_a_cpu(resident):
    check_unknown_levels("cpu", resident)


@pytest.mark.gpu
@residence
def test_unknown_levels_are_measured_on_a_gpu(cuda, resident):
    check_unknown_levels(cuda.type, resident)


@pytest.mark.parametrize("resident", [True, False])
def test_the_data_path_is_right_on_a_cpu(resident):
    check_against_the_reference("cpu", resident, some(10_000))


@pytest.mark.gpu
@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("count", [6, 10_000, 3_000_000])
def test_the_data_path_is_right_on_a_gpu(cuda, resident, count):
    check_against_the_reference(cuda.type, resident, some(count))


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


WIDE = pytest.mark.parametrize("sizes", [(9, 5), (9, 600), (2500,)], ids=str)


def check_the_minimum_of_codes(device: str, resident: bool, sizes: tuple[int, ...]) -> None:
    rows = coded(6000, 3, sizes, seed=3)
    zeros, decay = torch.zeros(len(largest(rows))), 1e-3
    expected = find_minimum(TorchGradients(rows), zeros, decay, 60)
    found = find_minimum(on(device, rows, resident=resident, blocks=3), zeros.to(device), decay, 60)
    assert found.converged
    torch.testing.assert_close(found.theta.cpu(), expected.theta, rtol=1e-4, atol=1e-5)


@WIDE
@residence
def test_the_minimum_of_codes_is_found_on_a_cpu(resident, sizes):
    check_the_minimum_of_codes("cpu", resident, sizes)


@pytest.mark.gpu
@WIDE
@residence
def test_the_minimum_of_codes_is_found_on_a_gpu(cuda, resident, sizes):
    check_the_minimum_of_codes(cuda.type, resident, sizes)


@pytest.mark.gpu
@residence
@pytest.mark.parametrize(
    ("levels", "optimizer"),
    [(4, {}), (700, {}), (4, {"weight_decay": 0.0}), (4, {"batch_size": 100})],
    ids=str,
)  # without a penalty most of 700 levels have one class only, and there is no minimum to agree on
def test_a_mixed_table_trains_on_a_gpu_as_on_a_cpu(
    cuda, resident, levels, optimizer, train_recipe, tmp_path, monkeypatch
):
    if not resident:
        if optimizer.get("batch_size"):
            pytest.skip("mini-batches on a GPU need all rows in its memory")
        monkeypatch.setattr(in_memory, "fits", lambda size, device: False)
    rng = np.random.default_rng(4)
    age, city = rng.normal(40, 10, 9000), rng.integers(levels, size=9000)
    yes = rng.random(9000) < 1 / (1 + np.exp(-(age - 40) / 10 - rng.normal(size=levels)[city]))
    age[::9] = np.nan
    table = pd.DataFrame({"age": age, "city": [f"c{i}" for i in city], "y": yes.astype(int)})
    table.to_csv(tmp_path / "rows.csv", index=False)
    runs = {}
    for device in ("cpu", cuda.type):
        settings = {"device": device, "epochs": 20, **optimizer}
        if not optimizer.get("batch_size"):
            settings["epochs"] = 1001
        data = {"file": str(tmp_path / "rows.csv"), "holdout": 0.2}
        runs[device] = train_recipe(Recipe.from_dict({"data": data, "optimizer": settings}))
    ours, theirs = (run_folder.read(runs[device].folder) for device in (cuda.type, "cpu"))
    assert ours.card.columns == theirs.card.columns
    assert runs[cuda.type].metrics["holdout"] == pytest.approx(
        runs["cpu"].metrics["holdout"], rel=1e-3
    )
    if optimizer.get("weight_decay") != 0:  # else there may be no minimum, and no end of the way
        np.testing.assert_allclose(ours.trained.theta, theirs.trained.theta, rtol=1e-3, atol=1e-4)


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


@pytest.mark.parametrize("sizes", [(), (3, 300)])
def test_mini_batches_take_every_row_once(sizes):
    rows = coded(100, 4, sizes, seed=1) if sizes else some(100)
    data, theta = on("cpu", rows, resident=True), torch.ones(len(largest(rows)))
    seen = []
    for index in data.batches(30, torch.Generator().manual_seed(0)):
        seen += index.tolist()
        found, expected = torch.empty_like(theta), torch.empty_like(theta)
        data.gradient("bce", theta, index, found)
        TorchGradients(rows).gradient("bce", theta, index, expected)
        assert torch.equal(found, expected)
    assert sorted(seen) == list(range(100))


def test_parts_are_the_rows_in_order():
    rows = some(100_000, 30)
    found = list(chunks(rows, 2))
    assert len(found) > 1
    assert torch.equal(torch.cat([part.features for part in found], 1), rows.features)
