"""The published experiments, trained by `train` as their recipes say, with every step kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from serve_runtime.arrays import Float32, Float64, Floats
from train.gradients.losses import LOSSES, logits
from train.optimize.fit import Fit, Record
from train.recipe.recipe import Recipe
from train.recipe.toml_file import override, read_toml
from train.run import train
from train.tables.table import load_table

_AT_ONCE = 256
"""Weights whose costs are computed together."""

RECIPES = Path(__file__).parents[2] / "recipes"


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class Training:
    """The way of one training."""

    recipe: Recipe
    steps: Float32
    """(updates + 1, d + 1): weights and bias at the start and after each update."""
    records: Sequence[Record]

    @cached_property
    def data(self) -> tuple[Floats, Float32]:
        """Features (d, n) and labels (n,) that it was trained on."""
        table = load_table(self.recipe.data, self.recipe.model.seed)
        return table.features, table.labels

    @property
    def start(self) -> Float64:
        """Weights and bias (d + 1,) at the start."""
        return self.at(0)

    @property
    def end(self) -> Float64:
        """Weights and bias (d + 1,) at the end."""
        return self.at(-1)

    def at(self, update: int) -> Float64:
        """Weights and bias (d + 1,) after so many updates."""
        theta: Float64 = self.steps[update].astype(np.float64)
        return theta

    def costs(self, thetas: Float64) -> Float64:
        """The cost (m,) that this training makes small, at other weights and biases (m, d + 1)."""
        features, labels = (torch.from_numpy(part).double() for part in self.data)
        loss = LOSSES[self.recipe.optimizer.loss]

        def cost(theta: torch.Tensor) -> torch.Tensor:
            return loss.cost(logits(features, theta), labels)

        found: Float64 = torch.vmap(cost, chunk_size=_AT_ONCE)(torch.from_numpy(thetas)).numpy()
        return found


class Experiments:
    """The trainings that pictures show, each done when it is first asked for."""

    def __init__(self) -> None:
        self._done: dict[tuple[str, ...], Training] = {}

    def training(self, name: str, *changes: str) -> Training:
        """The training of a recipe by name, with changes such as "log.every=1"."""
        key = (name, *changes)
        if key not in self._done:
            document = read_toml(RECIPES / f"{name}.toml")
            # Small trainings take longer on a GPU, and end in other bits.
            for change in ('optimizer.device="cpu"', *changes):
                override(document, change)
            self._done[key] = _train(Recipe.from_dict(document))
        return self._done[key]

    def from_start(self, name: str, weight: float, bias: float) -> Training:
        """The training of a recipe of one feature from a given start."""
        return self.training(name, f"model.init={{weight=[[{weight}]], bias=[{bias}]}}")


def _train(recipe: Recipe) -> Training:
    steps: list[Float32] = []
    fits: list[Fit] = []

    def watch(fit: Fit) -> Iterator[Record | None]:
        fits.append(fit)
        for item in fit:
            steps.append(fit.theta.numpy().copy())
            yield item

    with TemporaryDirectory() as folder:
        train(recipe, Path(folder) / "run", watch=watch)
    steps.append(fits[0].theta.numpy().copy())
    return Training(recipe, np.array(steps), fits[0].records)
