"""Is this checkout slower than another one? Time the same calls in both, in turns.

python -m benchmarks.harness.compare OTHER

OTHER is the root of another checkout, such as one made by `git worktree add ../before main`. Every
measurement is a fresh process that finds one of the checkouts through PYTHONPATH; both run with
this Python and its libraries. A round runs each group of measurements in OTHER, in this checkout,
and in OTHER a second time, in an order that changes from round to round. The ratio is the median
over the rounds of this checkout's time over OTHER's; the noise is how far the same median strays
from 1 where both times are OTHER's: resampled rounds stay within it 19 times of 20.

Only what every checkout has is used: the public API of serve_runtime, and the commands
`python -m train` and `python -m export`.
"""

import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.harness.processes import ROOT, run_python
from benchmarks.harness.result import digits
from export.text_table import TextTable

LIMIT = 0.03
"""How much slower, beyond the noise, is called slower."""
CALLS = Path(__file__).with_name("compare_calls.py")
_FEATURES = 30
ROWS = {"million.parquet": 1_000_000, "table.parquet": 500_000, "table.csv": 500_000,
         "small.parquet": 1_000}  # fmt: skip
_EPOCHS = {"six.parquet": ("6 × 2", 200_000), "million.parquet": ("1,000,000 × 30", 500)}
"""Training file → its size, and as many epochs as take about as long as starting does."""

Seconds = Mapping[str, float]


@dataclass(frozen=True)
class Checkout:
    """A checkout, and a bundle that its own commands made."""

    root: Path
    bundle: Path
    tables: Path
    """Folder of the files that both checkouts read."""

    def run(self, *arguments: object) -> float:
        """Run Python in a process that finds this checkout; its seconds."""
        return run_python("-P", *arguments, root=self.root).seconds

    def export(self) -> None:
        """Make the bundle; refuse a checkout whose packages are not the ones that are found."""
        code = "import json, serve_runtime; print(json.dumps(serve_runtime.__file__))"
        found = Path(run_python("-P", "-c", code, root=self.root).parsed)
        if not found.is_relative_to(self.root):
            raise click.ClickException(f"{self.root} has no serve_runtime: {found} was found")
        run = self.bundle.with_name(f"{self.bundle.name}-run")
        self.run("-m", "train", self.tables / "small.parquet", "--target", "y", "--out", run)
        self.run("-m", "export", "bundle", run, self.bundle)

    def calls(self) -> Seconds:
        """Calls in memory."""
        return self._timed("calls", self.bundle)

    def files(self) -> Seconds:
        """score_file."""
        tables = [self.tables / name for name in ("table.parquet", "table.csv")]
        return self._timed("files", self.bundle, *tables)

    def start(self) -> Seconds:
        """A process that imports, loads and predicts once."""
        code = (
            "import sys, numpy; from serve_runtime import Predictor; "
            f"Predictor(sys.argv[1]).probability(numpy.zeros((1, {_FEATURES}), numpy.float32))"
        )
        runs = [self.run("-c", code, self.bundle) for _ in range(3)]
        return {"process: import, load, first prediction": median(runs)}

    def training(self) -> Seconds:
        """Seconds to start and end, and those of an epoch: the slope between two runs."""
        found = {}
        for name, (size, epochs) in _EPOCHS.items():
            one, many = (self._train(name, number) for number in (1, 1 + epochs))
            found[f"train {size}, one epoch, whole process"] = one
            found[f"train {size}, each further epoch"] = (many - one) / epochs
        return found

    def _train(self, name: str, epochs: int) -> float:
        run = self.tables / f"run-of-{self.bundle.name}"
        settings = {"data.holdout": 0, "optimizer.lr": 0.1, "optimizer.tolerance": 0,
                    "optimizer.device": "cpu", "optimizer.epochs": epochs,
                    "log.every": 10**9}  # fmt: skip
        options = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        return self.run("-m", "train", self.tables / name, "--target", "y", "--out", run,
                        "--force", *options)  # fmt: skip

    def _timed(self, *arguments: object) -> Seconds:
        found: Seconds = run_python("-P", CALLS, *arguments, root=self.root).parsed
        return found


GROUPS: Mapping[str, Callable[[Checkout], Seconds]] = {
    "calls": Checkout.calls,
    "files": Checkout.files,
    "start": Checkout.start,
    "training": Checkout.training,
}


def compare(
    other: Path, groups: Mapping[str, Callable[[Checkout], Seconds]], rounds: int
) -> TextTable:
    """Time `groups` in this checkout and in `other`: a line for each call."""
    found: dict[str, dict[str, list[float]]] = {}
    with TemporaryDirectory() as folder:
        tables = Path(folder)
        _write_tables(tables)
        before = Checkout(other, tables / "other", tables)
        now = Checkout(ROOT, tables / "this", tables)
        for checkout in (before, now):
            checkout.export()
        sides = [("other", before), ("this", now), ("again", before)]
        for done in range(rounds):
            for number, measure in enumerate(groups.values()):
                turn = (done + number) % len(sides)
                for side, checkout in sides[turn:] + sides[:turn]:
                    for name, seconds in measure(checkout).items():
                        found.setdefault(name, {}).setdefault(side, []).append(seconds)
            click.echo(f"round {done + 1} of {rounds}", err=True)
    heading = (f"{rounds} rounds", "other, ms", "this, ms", "this to other", "noise", "")
    return TextTable(heading, [line(name, times) for name, times in found.items()])


def line(name: str, times: Mapping[str, list[float]]) -> tuple[str, ...]:
    """The call `name` in the table, from its seconds in "other", in "this", and in "again"."""
    ratio = median(_ratios(times["this"], times["other"]))
    noise = spread(_ratios(times["again"], times["other"]))
    verdict = "slower" if ratio > 1 + LIMIT + noise else ""
    milliseconds = (digits(median(times[side]) * 1e3) for side in ("other", "this"))
    return (name, *milliseconds, f"{ratio:.3f}", f"± {noise:.3f}", verdict)


def _ratios(times: list[float], to: list[float]) -> list[float]:
    return [one / other for one, other in zip(times, to, strict=True)]


def spread(ratios: list[float]) -> float:
    """How far the median of `ratios` is from 1 in 95 % of resamples (bootstrap, fixed seed)."""
    draw = random.Random(0).choices
    strays = sorted(abs(median(draw(ratios, k=len(ratios))) - 1) for _ in range(1000))
    return strays[949]


def _write_tables(folder: Path) -> None:
    """Standard normal features c0, c1, … and a label y that depends on the first of them."""
    rng = np.random.default_rng(0)
    for name, rows in {**ROWS, "six.parquet": 6}.items():
        columns = rng.standard_normal((2 if rows == 6 else _FEATURES, rows), np.float32)
        label = (columns[0] + rng.standard_normal(rows) > np.median(columns[0])).astype(np.int8)
        table = pa.table({**{f"c{i}": values for i, values in enumerate(columns)}, "y": label})
        (pq.write_table if name.endswith("parquet") else pa.csv.write_csv)(table, folder / name)


@click.command()
@click.argument("other", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=11,
    show_default=True,
    help="More rounds, less noise; fewer than 7 say little.",
)
@click.option("--only", multiple=True, type=click.Choice(list(GROUPS)), help="These groups.")
def main(other: Path, rounds: int, only: tuple[str, ...]) -> None:
    """Time this checkout beside OTHER; exit 1 where it is slower than 3 % beyond noise."""
    table = compare(other.resolve(), {name: GROUPS[name] for name in only or GROUPS}, rounds)
    click.echo(table.text())
    sys.exit(any(row[-1] for row in table.rows))


if __name__ == "__main__":
    main()
