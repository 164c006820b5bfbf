"""What lr = "auto" stands for is as long as the curvature of the cost allows."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from pipeline.train.optimize.problems import sampled, trained
from train.gradients.cpu import gradient_source
from train.optimize.curvature import resolve_learning_rate, step_length
from train.recipe.keys import Optimizer


@pytest.mark.parametrize(("loss", "curvature"), [("bce", 0.25), ("mse", 0.15412)])
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_gradients_are_multiplied_by_the_inverse_of_the_bound(loss, curvature, decay):
    rows = sampled(400, 6, seed=4, shared=2.0)
    x = torch.cat([rows.features, torch.ones(1, 400)]).double()
    bound = curvature * x @ x.T / 400 + decay * torch.diag(torch.tensor([1.0] * 6 + [0.0]))
    spec, preconditioner = resolve_learning_rate(
        gradient_source(rows), Optimizer(loss=loss, weight_decay=decay)
    )
    assert (spec.lr, spec.momentum) == (1.0, "auto")
    torch.testing.assert_close(
        preconditioner.double(), torch.linalg.inv(bound), rtol=1e-3, atol=1e-3
    )


def test_wide_models_take_a_step_length_and_come_to_the_same():
    rows = sampled(2000, 600, seed=6)
    spec, preconditioner = resolve_learning_rate(gradient_source(rows), Optimizer(weight_decay=0.1))
    assert preconditioner is None
    assert spec.lr == pytest.approx(step_length(gradient_source(rows), "bce", 0.1, 0))
    fit = trained(rows, weight_decay=0.1)
    assert fit.state.updates < 1001, "a gradient of 1e-6 is the end"
    peer = LogisticRegression(C=1 / (0.1 * 2000), tol=1e-10, max_iter=1000)
    peer.fit(rows.features.double().T.numpy(), rows.labels.numpy())
    assert fit.theta[:-1].numpy() == pytest.approx(peer.coef_[0], abs=1e-5)


@pytest.mark.parametrize("loss", ["bce", "mse"])
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_the_step_is_the_inverse_of_the_bound(loss, decay):
    rows = sampled(400, 6, seed=4, shared=2.0)
    x = torch.cat([rows.features, torch.ones(1, 400)]).double()
    largest = float(torch.linalg.eigvalsh(x @ x.T / 400)[-1])
    curvature = {"bce": 0.25, "mse": 0.15412}[loss]
    found = step_length(gradient_source(rows), loss, decay, 0)
    bound = 1 / (curvature * largest + decay)
    assert bound * 0.99 < found <= bound * (1 + 1e-3)


def test_the_step_is_shorter_for_smaller_batches():
    rows = sampled(400, 6, seed=4)
    steps = [step_length(gradient_source(rows), "bce", 0, size) for size in (1, 20, 399, 0)]
    assert steps == sorted(steps)
    largest = float(rows.features.square().sum(0).max()) + 1
    assert steps[0] == pytest.approx(2 / largest, rel=1e-5)
