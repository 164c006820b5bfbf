"""Gradients over rows on disk have the bits of gradients over rows in memory."""

import numpy as np
import pytest
import torch

from serve_runtime.features.column import number_columns
from train.dataset import block_file
from train.dataset.disk_gradients import DiskGradients
from train.dataset.layer import Layer
from train.design import Design
from train.gradients.cpu import NumbaGradients
from train.gradients.design import measure
from train.gradients.source import Rows
from train.standardize import Scaling


def numbers(width: int) -> Layer:
    """The layer of `width` columns of numbers, as they are."""
    columns = number_columns([f"x{i}" for i in range(width)], [0.0] * width, [1.0] * width)
    return Layer(Design(columns, np.full(width, np.nan), np.empty(0)), Scaling.none(width))


def test_mini_batches_on_disk_take_every_row_once(tmp_path):
    x = torch.arange(3000).float()
    rows = block_file.BlockFile(tmp_path, numbers(1))
    rows.append(block_file.Raw(x[None].numpy(), (x % 2).numpy()), (), lambda _: None)
    rows.finish((), lambda _: None)
    rows.change(lambda features: features)
    data = DiskGradients(rows, 3000, torch.tensor([3000.0, 1.0]), pool=2)
    shuffle, seen, sizes = torch.Generator().manual_seed(0), [], []
    gradient = torch.empty(2)
    for index in data.batches(700, shuffle):
        features, labels, _ = data._pool
        seen += features[index.numpy(), 0].tolist()
        sizes.append(len(index))
        assert np.array_equal(labels[index.numpy()], features[index.numpy(), 0] % 2)
        data.gradient("linear", torch.tensor([0.0, 1.0]), index, gradient)
        torch.testing.assert_close(gradient[0], torch.tensor(features[index.numpy(), 0].mean()))
    assert sorted(seen) == x.tolist()
    assert len(sizes) > 3, "more than one pool"
    assert max(sizes) == 700


def test_streamed_gradients_are_those_of_memory_bit_by_bit(tmp_path):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(5, 10_000, generator=generator), torch.arange(10_000) % 2 * 1.0
    rows = block_file.BlockFile(tmp_path, numbers(5))
    for start in range(0, 10_000, 777):
        part = slice(start, start + 777)
        rows.append(block_file.Raw(x[:, part].numpy(), y[part].numpy()), (), lambda _: None)
    rows.finish((), lambda _: None)
    rows.change(lambda features: features)
    assert list(tmp_path.iterdir()) == [], "the file has no name"
    streamed = DiskGradients(rows, 10_000, torch.ones(6), 1)
    whole = NumbaGradients(Rows(x, y), batches=False)
    theta = torch.randn(6, generator=generator)
    for loss in ("bce", "mse", "linear"):
        ours, theirs = torch.empty(6), torch.empty(6)
        streamed.gradient(loss, theta, None, ours)
        whole.gradient(loss, theta, None, theirs)
        assert torch.equal(ours, theirs)
    assert measure(streamed, "bce", theta) == pytest.approx(measure(whole, "bce", theta), rel=1e-6)
