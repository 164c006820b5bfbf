"""The recipes reproduce what was published, within the tolerances of the published files."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline import published
from train.gradients.cpu import gradient_source
from train.gradients.source import Rows
from train.model import new_model
from train.optimize.fit import Fit
from train.recipe.keys import Optimizer
from train.tables.table import load_table

PRINTED_ACCURACY = 0.005  # two decimals of a percentage


def log_terms(p: torch.Tensor, y: torch.Tensor) -> float:
    return float(-(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean())


def library_loss(p: torch.Tensor, y: torch.Tensor) -> float:
    return float(functional.binary_cross_entropy(p, y))


def costs_before_epochs(recipe, cost) -> list[float]:
    """`cost` of the weights that enter every `log.every`-th epoch."""
    table = load_table(recipe.data, recipe.model.seed)
    rows = Rows(torch.from_numpy(table.served()), torch.from_numpy(table.labels))
    model = new_model(len(table.features), recipe.model.init, recipe.model.seed)
    items = Fit(
        model,
        recipe.optimizer,
        gradient_source(rows),
        every=recipe.log.every,
        shuffle=torch.Generator(),
    )
    costs = []
    for epoch, _ in enumerate(items):
        if epoch % recipe.log.every == 0:
            with torch.no_grad():
                costs.append(cost(model(rows.features.t())[:, 0], rows.labels))
    return costs


def column(rows, key: str) -> list[float]:
    return [row[key] for row in rows]


def ask(model: nn.Sequential, rows) -> np.ndarray:
    return model(torch.tensor(rows, dtype=torch.float32))[:, 0].numpy()


@pytest.fixture(scope="module")
def sequential(train_recipe, named_recipe):
    return train_recipe(named_recipe("six-points-sequential"))


@pytest.fixture(scope="module")
def diabetes_run(train_recipe, named_recipe, diabetes):
    def run(name: str):
        return train_recipe(named_recipe(name, f"data.file={str(diabetes)!r}"))

    return run


@pytest.mark.parametrize("name", published.OWN)
def test_own_figures_equal_the_shared_files(name):
    shared = published.shared(name)
    if shared is None:
        pytest.skip(f"no shared figures in {published.SHARED}")
    assert published.OWN[name] == shared


@pytest.mark.parametrize("name", published.OWN)
def test_recipe_states_the_published_experiment(name, named_recipe):
    recipe, figures = named_recipe(name), published.load(name)
    assert recipe.data.points == figures.get("data")
    assert recipe.data.simulate == figures.get("simulate")
    assert recipe.model.init == figures["init"]
    assert recipe.model.seed == figures.get("seed", recipe.model.seed)
    assert (recipe.optimizer.lr, recipe.optimizer.epochs) == (figures["lr"], figures["updates"])
    assert (recipe.model.standardize, recipe.data.holdout) == (False, 0)


@pytest.mark.parametrize(
    ("table", "cost"), [("trace", log_terms), ("trace_library_loss", library_loss)]
)
def test_six_points_zeros_costs(table, cost, named_recipe):
    figures = published.load("six-points-zeros")
    expected = column(figures[table], "cost")
    found = costs_before_epochs(named_recipe("six-points-zeros"), cost)
    assert found == pytest.approx(expected, abs=figures["tolerance"])


def test_six_points_zeros_history_is_the_library_table(train_recipe, named_recipe):
    figures = published.load("six-points-zeros")
    history = train_recipe(named_recipe("six-points-zeros")).history
    expected = figures["trace_library_loss"]
    assert column(history, "epoch") == column(expected, "epoch")
    assert column(history, "cost") == pytest.approx(
        column(expected, "cost"), abs=figures["tolerance"]
    )


def test_six_points_sequential_untrained_probabilities(named_recipe):
    figures = published.load("six-points-sequential")
    untrained = new_model(2, named_recipe("six-points-sequential").model.init, 0).requires_grad_(
        False
    )
    found = [round(float(p), 4) for p in ask(untrained, figures["data"]["x"])]
    assert found == figures["published_untrained_probabilities"]


def test_six_points_sequential_history(sequential):
    figures = published.load("six-points-sequential")
    expected, history = figures["trace"], sequential.history
    assert column(history, "epoch") == column(expected, "epoch")
    for row, wanted in zip(history, expected, strict=True):
        early = "before" if row["epoch"] < 100 else "from"
        tolerance = figures[f"tolerance_{early}_epoch_100"]
        assert row["cost"] == pytest.approx(wanted["cost"], abs=tolerance), wanted
        accuracy = pytest.approx(wanted["accuracy_percent"], abs=PRINTED_ACCURACY)
        assert 100 * row["accuracy"] == accuracy, wanted


def test_six_points_sequential_weights_and_probabilities(sequential):
    figures = published.load("six-points-sequential")
    tolerance, points = figures["weight_tolerance"], np.array(figures["data"]["x"])
    weight, bias = (p.numpy() for p in sequential.model.parameters())
    assert weight == pytest.approx(np.array(figures["published_trained_weight"]), abs=tolerance)
    assert bias == pytest.approx(np.array(figures["published_trained_bias"]), abs=tolerance)
    # A logit may move by the tolerance times (|x1| + |x2| + 1), dp/dz = p (1 - p), and print
    # rounds to five significant digits.
    expected = np.array(figures["published_trained_probabilities"])
    moved = expected * (1 - expected) * tolerance * (np.abs(points).sum(1) + 1)
    rounded = 0.5 * 10 ** (np.floor(np.log10(expected)) - 4)
    assert (np.abs(ask(sequential.model, points) - expected) <= moved + rounded).all()


@pytest.mark.parametrize(
    ("table", "cost"), [("trace", log_terms), ("trace_library_loss", library_loss)]
)
def test_diabetes_zeros_costs(table, cost, named_recipe, diabetes):
    figures = published.load("diabetes-zeros")
    recipe = named_recipe("diabetes-zeros", f"data.file={str(diabetes)!r}")
    expected = column(figures[table], "cost")
    assert costs_before_epochs(recipe, cost) == pytest.approx(expected, abs=figures["tolerance"])


def test_diabetes_zeros_at_the_end(diabetes_run, diabetes):
    figures, run = published.load("diabetes-zeros"), diabetes_run("diabetes-zeros")
    accuracy = 100 * run.metrics["training"]["accuracy"]
    assert round(accuracy, 2) == figures["training_accuracy_percent_at_the_end"]
    rows = np.loadtxt(diabetes, delimiter=",", max_rows=5)
    first_five = [round(float(p), 4) for p in ask(run.model, rows[:, :-1])]
    assert first_five == figures["first_five_probabilities_at_the_end"]


def check_diabetes_seed1(costs, accuracies) -> None:
    figures = published.load("diabetes-seed1")
    expected = figures["trace"]
    assert costs == pytest.approx(column(expected, "cost"), abs=figures["tolerance"])
    assert [100 * a for a in accuracies] == pytest.approx(
        column(expected, "accuracy_percent"), abs=figures["accuracy_tolerance_percent"]
    )


def test_diabetes_seed1_history(diabetes_run):
    history = diabetes_run("diabetes-seed1").history
    assert column(history, "epoch") == list(range(0, 101, 10))
    check_diabetes_seed1(column(history, "cost"), column(history, "accuracy"))


class BinaryClassifier(nn.Module):
    """The published form of diabetes-seed1: a class of its own that holds the same two layers."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        return self.sigmoid(self.linear(x))


def test_a_class_of_the_same_layers_trains_to_the_same(diabetes, diabetes_run):
    data = torch.from_numpy(np.loadtxt(diabetes, delimiter=",", dtype=np.float32))
    x, y = data[:, :-1], data[:, -1:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = BinaryClassifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    costs, accuracies = [], []
    for epoch in range(101):
        probability = model(x)
        cost = functional.binary_cross_entropy(probability, y)
        if epoch % 10 == 0:
            costs.append(float(cost.detach()))
            accuracies.append(float(((probability >= 0.5) == (y == 1)).float().mean()))
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
    check_diabetes_seed1(costs, accuracies)
    trained = diabetes_run("diabetes-seed1").model
    # 101 updates of float32 in another order of summation; nearer than 1e-5 of the weights' size.
    torch.testing.assert_close(trained[0].weight, model.linear.weight.detach(), rtol=0, atol=1e-5)
    torch.testing.assert_close(trained[0].bias, model.linear.bias.detach(), rtol=0, atol=1e-5)


def test_hours_is_on_the_right_side_at_1_and_at_7(train_recipe, named_recipe):
    figures = published.load("hours")
    probability = ask(train_recipe(named_recipe("hours")).model, figures["ask"])
    assert (probability > 0.5).tolist() == figures["above_one_half"]


def test_breast_cancer_holdout_auc(train_recipe, named_recipe):
    recipe = named_recipe("breast-cancer")
    assert recipe.optimizer == Optimizer(lr=0.5)
    metrics = train_recipe(recipe).metrics
    assert metrics["holdout"]["auc"] > 0.98
    assert metrics["training"]["rows"] + metrics["holdout"]["rows"] == 569
