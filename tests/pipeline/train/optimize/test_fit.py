"""Fit trains as the plain autograd loop does, batch by batch, and says when it diverges."""

import copy
import re

import pytest
import torch

from train.errors import TrainError
from train.gradients.cpu import NumbaGradients, TorchGradients, gradient_source
from train.gradients.source import Rows
from train.model import new_model
from train.optimize.fit import Fit, pick_device
from train.recipe.keys import Optimizer

SPECS = {
    "full batch": Optimizer(lr=0.7, epochs=60),
    "momentum": Optimizer(lr=0.3, epochs=60, momentum=0.9),
    "nesterov": Optimizer(lr=0.3, epochs=60, momentum=0.9, nesterov=True),
    "weight decay": Optimizer(lr=0.7, epochs=60, weight_decay=0.1),
    "everything": Optimizer(lr=0.3, epochs=60, momentum=0.5, nesterov=True, weight_decay=0.05),
    "mse": Optimizer(lr=0.7, epochs=60, loss="mse"),
    "mse with momentum": Optimizer(lr=0.7, epochs=60, loss="mse", momentum=0.9),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_training_equals_the_autograd_loop(spec, random_rows, run_fit, autograd_loop, flat):
    rows, model = random_rows(50, 4, seed=1), new_model(4, "default", 2).double()
    plain = copy.deepcopy(model)
    records = run_fit(model, spec, rows)
    costs = autograd_loop(plain, spec, rows)
    torch.testing.assert_close(flat(model), flat(plain), rtol=1e-12, atol=1e-12)
    assert [record.epoch for record in records] == list(range(60))
    assert [record.cost for record in records] == pytest.approx(costs, rel=1e-12)


@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_float32_training_stays_within_rounding_of_float64(loss, random_rows, run_fit, flat):
    exact = random_rows(50, 4, seed=1)
    spec = Optimizer(loss=loss, lr=0.7, epochs=60)
    model = new_model(4, "default", 2)
    wide = copy.deepcopy(model).double()
    run_fit(model, spec, Rows(exact.features.float(), exact.labels.float()))
    run_fit(wide, spec, exact)
    # 60 updates of at most 0.7 in size, each of them off by a few float32 roundings.
    assert (flat(model).double() - flat(wide)).abs().max() < 60 * 0.7 * 16 * 2**-24


def test_weight_decay_acts_on_the_weight_and_never_on_the_bias(run_fit, flat):
    # Features of 0 and residuals that cancel: nothing but the decay moves the parameters.
    rows = Rows(torch.zeros(2, 2).double(), torch.tensor([0.0, 1.0]).double())
    model = new_model(2, {"weight": [[2.0, -4.0]], "bias": [0.0]}, 0).double()
    run_fit(model, Optimizer(lr=0.5, epochs=1, weight_decay=0.5), rows)
    assert flat(model).tolist() == [1.5, -3.0, 0.0]


def test_records_hold_the_weights_that_enter_their_epoch(random_rows, flat):
    rows, model = random_rows(20, 2, seed=3), new_model(2, "zeros", 0).double()
    spec = Optimizer(lr=1.0, epochs=10)
    items = Fit(model, spec, gradient_source(rows), every=4, shuffle=torch.Generator())
    seen = []
    for epoch, record in enumerate(items):
        assert (record is not None) == (epoch % 4 == 0)
        if record:
            p = torch.sigmoid(rows.features.t() @ flat(model)[:2] + flat(model)[2])
            cost = torch.nn.functional.binary_cross_entropy(p, rows.labels)
            assert record.cost == pytest.approx(float(cost), rel=1e-12)
            hits = (p >= 0.5) == (rows.labels == 1)
            assert record.accuracy == pytest.approx(float(hits.double().mean()), abs=1e-7)
            seen.append(record.epoch)
    assert seen == [0, 4, 8]


def test_validation_is_measured_on_its_own_rows(random_rows, run_fit):
    rows, other = random_rows(30, 3, seed=4), random_rows(17, 3, seed=5)
    model, spec = new_model(3, "default", 6).double(), Optimizer(lr=1.0, epochs=1)
    items = Fit(
        copy.deepcopy(model),
        spec,
        gradient_source(rows),
        every=1,
        shuffle=torch.Generator(),
        validation=gradient_source(other),
    )
    record, alone = next(iter(items)), run_fit(model, spec, other)[0]
    assert (record.validation_cost, record.validation_accuracy) == (alone.cost, alone.accuracy)
    assert record.cost != record.validation_cost


@pytest.fixture
def batches(monkeypatch):
    """The first feature of every batch from which a gradient was computed."""
    seen = []
    for kind in (TorchGradients, NumbaGradients):

        def spy(self, loss, theta, index, out, gradient=kind.gradient):
            first = self.rows.features[0]
            seen.append([int(v) for v in (first if index is None else first[index])])
            gradient(self, loss, theta, index, out)

        monkeypatch.setattr(kind, "gradient", spy)
    return seen


def numbered(count: int) -> Rows:
    return Rows(torch.arange(count).double()[None], (torch.arange(count) % 2).double())


def test_each_row_is_used_once_per_epoch(batches, run_fit):
    run_fit(
        new_model(1, "zeros", 0).double(), Optimizer(lr=1e-3, epochs=3, batch_size=4), numbered(10)
    )
    assert [len(batch) for batch in batches] == 3 * [4, 4, 2]
    epochs = [[row for batch in batches[i : i + 3] for row in batch] for i in (0, 3, 6)]
    assert [sorted(epoch) for epoch in epochs] == 3 * [list(range(10))]
    assert epochs[0] != epochs[1] != epochs[2]
    assert list(range(10)) not in epochs


@pytest.mark.parametrize("size", [0, 10, 11])
def test_a_batch_of_all_rows_is_the_full_batch_in_order(size, batches, run_fit):
    run_fit(
        new_model(1, "zeros", 0).double(),
        Optimizer(lr=1e-3, epochs=2, batch_size=size),
        numbered(10),
    )
    assert batches == 2 * [list(range(10))]


def test_the_seed_decides_the_order_of_mini_batches(batches, random_rows, run_fit, flat):
    rows, spec = random_rows(30, 3, seed=7), Optimizer(lr=0.5, epochs=4, batch_size=7)
    weights = []
    for seed in (1, 1, 2):
        model = new_model(3, "zeros", 0).double()
        run_fit(model, spec, rows, seed=seed)
        weights.append(flat(model))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_mini_batch_update_is_the_mean_over_its_own_rows(batches, run_fit, flat):
    rows, lr = numbered(5), 1e-3
    model = new_model(1, "zeros", 0).double()
    run_fit(model, Optimizer(lr=lr, epochs=1, batch_size=3), rows)
    expected = torch.zeros(2).double()
    for batch in batches:
        x, y = torch.tensor(batch).double(), rows.labels[batch]
        residual = torch.sigmoid(expected[0] * x + expected[1]) - y
        expected = expected - lr * torch.stack([(residual * x).mean(), residual.mean()])
    torch.testing.assert_close(flat(model), expected)


FAR = Rows(torch.tensor([[-10.0, 10.0]]), torch.tensor([0.0, 1.0]))


def divergence(run_fit, spec: Optimizer, rows: Rows, every: int = 1) -> tuple[int, float]:
    """The update and the learning rate that the error names."""
    with pytest.raises(TrainError, match=r"not finite at update \d+ .*; try --lr ") as caught:
        run_fit(new_model(len(rows.features), "zeros", 0), spec, rows, every=every)
    assert f"with lr {spec.lr:g}" in str(caught.value)
    update, lr = re.search(r"at update (\d+) .*try --lr ([-+.e\d]+)", str(caught.value)).groups()
    return int(update), float(lr)


def test_divergence_names_a_learning_rate_that_trains(run_fit):
    update, lr = divergence(run_fit, Optimizer(lr=1e38, epochs=5), FAR)
    assert update == 1
    costs = [r.cost for r in run_fit(new_model(1, "zeros", 0), Optimizer(lr=lr, epochs=20), FAR)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < costs[0]


def test_divergence_in_a_mini_batch_counts_updates_not_epochs(batches, run_fit):
    # Only the row at 90 makes an update too long; batches of one row come in a random order.
    rows = Rows(torch.tensor([[0.0, 1.0, 2.0, 90.0]]), torch.tensor([0.0, 0.0, 0.0, 1.0]))
    update, _ = divergence(run_fit, Optimizer(lr=1e37, epochs=5, batch_size=1), rows)
    assert batches.index([90]) == update - 1 == len(batches) - 1


def test_a_cost_not_finite_is_found_though_weights_are_finite(run_fit):
    # The weight becomes 5e37, which float32 holds; the logits 5e38, which it does not.
    assert divergence(run_fit, Optimizer(lr=1e37, epochs=50), FAR, every=100)[0] == 1


def test_a_cost_not_finite_after_the_last_update_is_found(run_fit):
    assert divergence(run_fit, Optimizer(lr=1e37, epochs=1), FAR, every=1)[0] == 1


def test_the_suggested_learning_rate_heeds_the_weight_decay(run_fit, random_rows):
    rows = random_rows(20, 2, seed=8, dtype=torch.float32)
    spec = Optimizer(lr=1.0, epochs=100, weight_decay=1000.0)
    lr = divergence(run_fit, spec, rows)[1]
    assert lr * spec.penalty < 2, "the decay alone makes the weights grow"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device_is_an_error():
    with pytest.raises(TrainError, match="device cuda was asked for and torch finds none"):
        pick_device("cuda")
    assert pick_device("auto") == torch.device("cpu")


def test_cpu_is_used_where_it_is_asked_for():
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.gpu
@pytest.mark.parametrize("batch_size", [0, 64])
def test_cuda_agrees_with_cpu(cuda, batch_size, named_recipe, train_recipe, flat):
    settings = ["optimizer.epochs=50", f"optimizer.batch_size={batch_size}"]
    runs = [
        train_recipe(named_recipe("breast-cancer", *settings, f"optimizer.device={device}"))
        for device in ("cpu", cuda.type)
    ]
    for run, device in zip(runs, ("cpu", "cuda"), strict=True):
        assert any(line.endswith(f", on {device}") for line in run.said)
    torch.testing.assert_close(flat(runs[0].model), flat(runs[1].model), rtol=1e-3, atol=1e-4)
    assert [r["cost"] for r in runs[0].history] == pytest.approx(
        [r["cost"] for r in runs[1].history], rel=1e-4
    )


def test_infinite_weights_are_divergence_at_any_cost(run_fit):
    rows = Rows(torch.tensor([[1e38, -1e38, 2e38]]), torch.tensor([1.0, 0.0, 1.0]))
    spec = Optimizer(loss="mse", lr=1e3, epochs=5)
    assert divergence(run_fit, spec, rows)[0] == 1
