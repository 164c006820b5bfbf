"""Proves bundles on other processors, under emulation, and writes the table of docs/parity.md.

`python -m docs.machines` (`make parity-machines`) makes bundles of random models, proves them on
each machine with the oldest and the newest onnxruntime, and runs tests/light on an emulated ARM
processor. It takes about 40 minutes on two cores, --every included.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from tqdm import tqdm

from benchmarks.harness.page import replace_section
from benchmarks.harness.random_run import BENT, random_mixed_run, random_run
from docs.figures import DOCS, PAGE
from export.errors import ParityError
from export.publish import export_bundle
from export.runtimes import machines
from export.runtimes.emulation import emulated_python
from export.runtimes.machines import MACHINES, RELEASES, Ranges
from export.runtimes.outcome import Outcome
from serve_runtime.commands.errors import command_errors

WIDTHS = (1, 30, 129, 1000)
"""Features of the bundles of plain numbers: one, few, and more than onnxruntime sums at once
without AVX."""

SECTIONS = ("machines", "every-logit")
"""Of docs/parity.md; the second with --every."""

_TESTED = "NEON"
"""The machine on which tests/light are run."""

_TEST_PACKAGES = "pytest pytest-xdist hypothesis pyarrow pandas polars"


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(MACHINES)), help="These machines.")
@click.option("--release", "releases", multiple=True, metavar="1.N",
              help=f"An onnxruntime; may be repeated; default: {', '.join(RELEASES)}.")  # fmt: skip
@click.option("--qemu", type=click.Path(path_type=Path, exists=True), metavar="FOLDER",
              help="The folder of QEMU's programs, where they are not on the PATH.")  # fmt: skip
@click.option("--every", is_flag=True,
              help="On ARM, try every logit of [-104, 20] outside ±2⁻²⁵ too.")  # fmt: skip
@click.option("--tests/--no-tests", default=True, help=f"Whether to run tests/light on {_TESTED}.")
def main(
    only: tuple[str, ...],
    releases: tuple[str, ...],
    qemu: Path | None,
    every: bool,
    tests: bool,
) -> None:
    """Prove bundles on other processors, emulated by QEMU; exit 1 if a promise is broken there."""
    kept = DOCS.parent / ".machines"
    names = only or tuple(MACHINES)
    with TemporaryDirectory() as folder, command_errors():
        bundles = _random_bundles(Path(folder))
        arm = sum(map(machines.is_arm, names))
        found = list(tqdm(
            machines.prove(bundles, names, releases or RELEASES, kept, qemu=qemu, every=every),
            "machines",
            total=len(names) * len(releases or RELEASES) * len(bundles) + every * arm,
            disable=None,
        ))  # fmt: skip
        outcomes = [(name, one) for name, one in found if isinstance(one, Outcome)]
        ranges = [one for _, one in found if isinstance(one, Ranges)]
        shown = [machines.table(outcomes), *([machines.ranges_table(ranges)] if every else [])]
        for each in shown:
            click.echo(each.text() + "\n")
        for name, outcome in outcomes:
            if outcome.refused:
                click.echo(f"{name}, {outcome.runtime} refuses: {outcome.problem}", err=True)
        machines.require(outcomes, ranges)
        if names == tuple(MACHINES) and not releases:
            _write(SECTIONS[: 1 + every], [each.markdown() for each in shown])
        if tests and _TESTED in names:
            _run_light_tests(kept, qemu)


def _random_bundles(folder: Path) -> list[Path]:
    runs = {
        f"features-{width}": random_run(folder / f"run-{width}", width, seed=width, spread=3.0)
        for width in WIDTHS
    }
    runs["mixed"] = random_mixed_run(folder / "run-mixed", bent=BENT)
    for name, run in runs.items():
        export_bundle(run, folder / name)
    return [folder / name for name in runs]


def _write(sections: Sequence[str], contents: Sequence[str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for section, content in zip(sections, contents, strict=True):
        page = replace_section(page, section, content)
    PAGE.write_text(page, encoding="utf-8")


def _run_light_tests(kept: Path, qemu: Path | None) -> None:
    processor = MACHINES[_TESTED]
    assert processor is not None
    python = emulated_python(processor, RELEASES[-1], kept, qemu, extra=_TEST_PACKAGES)
    click.echo(f"tests/light on {_TESTED}", err=True)
    command = [str(python), "-m", "pytest", "--numprocesses", "2", "-q", "tests/light"]
    if subprocess.run(command, cwd=DOCS.parent, check=False).returncode:
        raise ParityError(f"tests/light fail on {_TESTED}")


if __name__ == "__main__":
    main()
