"""What every section is given: how much to measure, a model with its bundle, rows of data."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.harness.random_run import random_mixed_run, random_run
from benchmarks.harness.timing import Call, Times, time_in_rounds
from export.publish import export_bundle
from serve_runtime import Predictor
from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.features.encoding import Encoding
from train.persistence.run_folder import read

WIDTH = 30
"""Features of the model and the data, in sections that do not vary them."""


@dataclass(frozen=True)
class Scale:
    """How much to measure: sizes of inputs, seconds and rounds."""

    sizes: tuple[int, ...]
    """Rows in a batch."""
    widths: tuple[int, ...]
    """Features, where they vary."""
    grid_rows: tuple[int, ...]
    """Rows in a batch, where dtype, layout and width vary too."""
    seconds: float
    """How long to time the calls that are compared with each other."""
    rounds: tuple[int, int]
    """Fewest and most rounds in that time."""
    rows: int
    """Rows of the large batch."""
    file_rows: tuple[int, int]
    """Rows of the Parquet file and of the CSV file."""
    memory_rows: tuple[int, ...]
    """Rows of the files during whose scoring the peak of memory is measured."""
    processes: int
    """Rounds of fresh processes."""
    calls: int
    """Calls in one process, to see whether memory grows with them."""


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
class ExportedModel:
    """A bundle, and the weights and bias that are in it."""

    bundle: Path
    affine: Affine
    encoding: Encoding | None = None
    """Of a model that takes more than plain numbers."""

    def predictor(self, threads: int) -> Predictor:
        """A new Predictor of the bundle, on so many threads."""
        return Predictor(self.bundle, threads=threads)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the features: c0, c1, …"""
        return tuple(f"c{i}" for i in range(len(self.affine.weight)))


@dataclass(frozen=True)
class Context:
    """What a section's `measure` is called with."""

    folder: Path
    """For files that have to be written; it is removed at the end of the run."""
    scale: Scale
    picture: Path
    """The SVG file to draw time against batch size into."""

    def model(self, width: int = WIDTH) -> ExportedModel:
        """A model with `width` features and random weights; exported on the first call."""
        return _model(self.folder, width)

    def mixed_model(self, numbers: int, categories: int, quantiles: int = 0) -> ExportedModel:
        """A model of numbers and categories, all of whose values have to be there. With `quantiles`
        all its numbers bend at so many, and two have a weight of their own."""
        return _mixed_model(self.folder, numbers, categories, quantiles)

    def time(self, calls: Mapping[str, Call], share: float = 1) -> Times:
        """Time `calls` beside each other, for `share` times the seconds of the scale."""
        return time_in_rounds(calls, seconds=share * self.scale.seconds, rounds=self.scale.rounds)

    def lacks_space(self, what: str, needed: float) -> str | None:
        """Unless twice `needed` bytes are free for files, a sentence: `what` was left out."""
        free = shutil.disk_usage(self.folder).free
        if needed <= free / 2:
            return None
        return (
            f"{what} left out: {needed / 1e9:.1f} GB are needed in the temporary folder (TMPDIR), "
            f"and twice that should be free; there are {free / 1e9:.1f} GB."
        )


@cache
def _model(folder: Path, width: int) -> ExportedModel:
    run = random_run(folder / f"run-{width}", width, seed=width, spread=0.0)
    proof = export_bundle(run, folder / f"bundle-{width}")
    return ExportedModel(folder / f"bundle-{width}", proof.affine)


@cache
def _mixed_model(folder: Path, numbers: int, categories: int, quantiles: int) -> ExportedModel:
    kind = f"mixed-{numbers}-{categories}-{quantiles}"
    run = random_mixed_run(
        folder / f"run-{kind}",
        numbers=numbers,
        precise=0,
        categories=categories,
        plain=True,
        bent=range(numbers if quantiles else 0),
        quantiles=quantiles,
    )
    export_bundle(run, folder / f"bundle-{kind}")
    trained = read(run).trained
    return ExportedModel(folder / f"bundle-{kind}", trained.affine(), trained.encoding())


def normal_rows(rows: int, width: int = WIDTH) -> Float32:
    """Standard normal values (rows, width), float32; from the millionth row on they repeat."""
    rng = np.random.default_rng(width)
    block = rng.standard_normal((min(rows, 1_000_000), width), np.float32)
    return block if rows == len(block) else np.resize(block, (rows, width))
