"""What the training tests share: recipes, a trained run, the command in a folder of its own."""

import csv
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import settings
from torch import Tensor, nn
from torch.nn import functional

from pipeline import published
from train.cli import main
from train.gradients.cpu import gradient_source
from train.gradients.source import Rows
from train.model import parameters
from train.optimize.fit import Fit, Record
from train.persistence import run_folder
from train.recipe.keys import Optimizer
from train.recipe.recipe import Recipe
from train.recipe.toml_file import override, read_toml
from train.run import train

# Both are ignored where a shell has started the tests in the background or under nohup, and what
# the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

REPOSITORY = Path(__file__).parents[2]

# The same examples every time, and no failure because a machine is slow.
settings.register_profile("pipeline", derandomize=True, deadline=None, database=None)
settings.load_profile("pipeline")


@dataclass(frozen=True)
class Trained:
    """A run folder and what training said while it was made."""

    folder: Path
    metrics: dict[str, Any]
    said: list[str] = field(default_factory=list)

    @property
    def history(self) -> list[dict[str, float]]:
        with (self.folder / run_folder.HISTORY).open(newline="") as file:
            return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]

    @property
    def model(self) -> nn.Sequential:
        run = run_folder.read(self.folder)
        model = nn.Sequential(nn.Linear(len(run.trained.weight), 1), nn.Sigmoid())
        model.load_state_dict(run.state_dict)
        return model.requires_grad_(False)


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def named_recipe() -> Callable[..., Recipe]:
    """`named_recipe("hours", "optimizer.epochs=3")`: a recipe of the project, overridden."""

    def load(name: str, *assignments: str) -> Recipe:
        document = read_toml(REPOSITORY / "recipes" / f"{name}.toml")
        for assignment in assignments:
            override(document, assignment)
        return Recipe.from_dict(document)

    return load


@pytest.fixture(scope="session")
def train_recipe(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Trained]:
    """Train a recipe into a new folder."""

    def run(recipe: Recipe) -> Trained:
        folder, said = tmp_path_factory.mktemp("train") / "run", []
        result = train(recipe, folder, say=said.append)
        return Trained(folder, result.metrics, said)

    return run


@pytest.fixture(scope="session")
def diabetes() -> Path:
    """The data file of the diabetes experiments; tests that need it are skipped without it."""
    path = published.data_file("diabetes-zeros")
    if not path.is_file():
        pytest.skip(f"the diabetes data is not at {path}")
    return path


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(workplace: Path) -> Callable[..., Result]:
    """`python -m train` in `workplace`; an exception that is no click error fails the test."""

    def invoke(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(main, arguments, catch_exceptions=False, **options)

    return invoke


@pytest.fixture
def refused(command: Callable[..., Result], workplace: Path) -> Callable[..., str]:
    """The message with which the command exits 1 while it leaves the folder as it was."""

    def invoke(*arguments: str, **options: Any) -> str:
        before = sorted(workplace.rglob("*"))
        result = command(*arguments, "--out", "run", **options)
        assert result.exit_code == 1, result.output
        assert sorted(workplace.rglob("*")) == before
        assert result.stderr.startswith("Error: ")
        return result.stderr.removeprefix("Error: ").strip()

    return invoke


@pytest.fixture
def table(workplace: Path) -> Callable[..., str]:
    """Write a text, or bytes, to a file of `workplace`; returns its name."""

    def write(content: str | bytes, name: str = "table.csv") -> str:
        data = content.encode() if isinstance(content, str) else content
        (workplace / name).write_bytes(data)
        return name

    return write


@pytest.fixture(scope="session")
def random_rows() -> Callable[..., Rows]:
    """Rows whose labels a linear model explains in part; float64 unless said."""

    def make(count: int, width: int, seed: int, dtype: torch.dtype = torch.float64) -> Rows:
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(width, count))
        chance = 1 / (1 + np.exp(-(rng.normal(size=width) @ features)))
        labels = rng.random(count) < chance
        return Rows(torch.tensor(features, dtype=dtype), torch.tensor(labels, dtype=dtype))

    return make


@pytest.fixture(scope="session")
def run_fit() -> Callable[..., list[Record]]:
    """Train a model in place with train.optimize.fit.Fit; returns its records."""

    def run(
        model: nn.Sequential, spec: Optimizer, rows: Rows, *, every: int = 1, seed: int = 0
    ) -> list[Record]:
        shuffle = torch.Generator().manual_seed(seed)
        data = gradient_source(rows, batches=spec.in_batches(len(rows.labels)))
        items = Fit(model, spec, data, every=every, shuffle=shuffle)
        return [record for record in items if record is not None]

    return run


@pytest.fixture(scope="session")
def autograd_loop() -> Callable[..., list[float]]:
    """The plain training loop: model(x), loss.backward(), optimizer.step(); the cost of each."""

    def run(model: nn.Module, spec: Optimizer, rows: Rows) -> list[float]:
        loss = {"bce": functional.binary_cross_entropy, "mse": functional.mse_loss}[spec.loss]
        decayed = [p for name, p in model.named_parameters() if name.endswith("weight")]
        biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
        groups = [{"params": decayed, "weight_decay": spec.penalty}, {"params": biases}]
        optimizer = torch.optim.SGD(
            groups, lr=spec.lr, momentum=spec.momentum or 0, nesterov=spec.nesterov
        )
        costs = []
        for _ in range(spec.epochs):
            cost = loss(model(rows.features.t()), rows.labels[:, None])
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
            costs.append(float(cost.detach()))
        return costs

    return run


@pytest.fixture(scope="session")
def flat() -> Callable[[nn.Sequential], Tensor]:
    """A model's weights and then its bias, (d + 1,), detached."""

    def values(model: nn.Sequential) -> Tensor:
        weight, bias = parameters(model)
        return torch.cat([weight.detach()[0], bias.detach()]).clone()

    return values


@pytest.fixture
def cuda() -> torch.device:
    """The GPU; tests that need it are skipped without one."""
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    return torch.device("cuda")
