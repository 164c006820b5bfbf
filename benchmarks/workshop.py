"""What the questions share: how much to measure, the model and its bundle, the data."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.models import random_run
from export.publish import export_bundle
from serve_runtime import Predictor
from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine

WIDTH = 30
"""Features, where a question does not vary them."""


@dataclass(frozen=True)
class Scale:
    """How much to measure."""

    sizes: tuple[int, ...]
    """Rows in a batch."""
    widths: tuple[int, ...]
    """Features, where they vary."""
    grid_rows: tuple[int, ...]
    """Rows in a batch where widths vary, and much else."""
    seconds: float
    """How long to time what is compared, each time."""
    rounds: tuple[int, int]
    """Fewest and most rounds of that."""
    rows: int
    """Rows of the large batch."""
    file_rows: tuple[int, int]
    """Rows of the Parquet file and of the CSV file."""
    memory_rows: tuple[int, ...]
    """Rows of the files on which the peak of memory is taken."""
    processes: int
    """Rounds of fresh processes."""
    calls: int
    """Calls of the soak."""


FULL = Scale(
    sizes=(*(4**i for i in range(10)), 1_000_000, 10_000_000),
    widths=(1, 4, 30, 300, 1000),
    grid_rows=(1, 64, 4096, 262_144),
    seconds=2.5,
    rounds=(5, 31),
    rows=1_000_000,
    file_rows=(5_000_000, 1_000_000),
    memory_rows=(1_000_000, 10_000_000, 100_000_000),
    processes=21,
    calls=1_000_000,
)

QUICK = Scale(
    sizes=(1, 64, 4096, 262_144),
    widths=(4, 300),
    grid_rows=(1, 64, 4096, 262_144),
    seconds=0.3,
    rounds=(3, 9),
    rows=1_000_000,
    file_rows=(200_000, 50_000),
    memory_rows=(1_000_000, 5_000_000),
    processes=3,
    calls=50_000,
)


@dataclass(frozen=True)
class Model:
    """A bundle, and the weights that are in it."""

    bundle: Path
    affine: Affine

    def predictor(self, threads: int) -> Predictor:
        """A Predictor of the bundle."""
        return Predictor(self.bundle, threads=threads)

    @property
    def names(self) -> tuple[str, ...]:
        """The features."""
        return tuple(f"c{i}" for i in range(len(self.affine.weight)))


@dataclass(frozen=True)
class Workshop:
    """Where questions are answered."""

    folder: Path
    """For whatever has to be written; it is removed at the end."""
    scale: Scale
    picture: Path
    """Where to draw time against batch size."""

    def model(self, width: int = WIDTH) -> Model:
        """A random model of that width, exported and proven when first asked for."""
        return _model(self.folder, width)


@cache
def _model(folder: Path, width: int) -> Model:
    run = random_run(folder / f"run-{width}", width, seed=width, spread=0.0)
    proof = export_bundle(run, folder / f"bundle-{width}")
    return Model(folder / f"bundle-{width}", proof.affine)


def data(rows: int, width: int = WIDTH) -> Float32:
    """Standard normal rows (rows, width), repeated from the millionth on."""
    rng = np.random.default_rng(width)
    block = rng.standard_normal((min(rows, 1_000_000), width), np.float32)
    return block if rows == len(block) else np.resize(block, (rows, width))
