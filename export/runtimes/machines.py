"""Bundles proven on other processors, which QEMU emulates, beside this machine.

Each processor gets the oldest and the newest onnxruntime, and proves the bundles with
export.runtimes.prove_here; with `every`, ARM also tries the sigmoid on every logit that matters.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from export.errors import ParityError
from export.parity.tables import of_budget, ulp
from export.runtimes import outcome
from export.runtimes.emulation import AARCH64, X86_64, Emulated, emulated_python
from export.runtimes.environments import environment
from export.runtimes.matrix import MINORS
from export.runtimes.outcome import BitsLetters, Outcome, figures_of, prove_with
from export.sigmoid.ranges import RangeFigures
from export.text_table import TextTable

THIS_MACHINE: Final = "this machine"

MACHINES: Final = {
    THIS_MACHINE: None,
    "AVX2": Emulated(X86_64, "Haswell", (7, 2)),
    "AVX": Emulated(X86_64, "SandyBridge", (7, 2)),
    "SSE": Emulated(X86_64, "Nehalem", (7, 2)),
    "NEON": Emulated(AARCH64, "neoverse-n1", (10, 0)),
    "SVE": Emulated(AARCH64, "neoverse-v1", (10, 0)),
    "SME": Emulated(AARCH64, "max,pauth-impdef=on", (10, 1)),  # with SME2 since 10.1
}
"""By the widest vectors that onnxruntime can use there."""

RELEASES: Final = (MINORS[0], MINORS[-1])


@dataclass(frozen=True)
class Ranges:
    """What came of trying the sigmoid on every logit on one machine."""

    machine: str
    runtime: str
    figures: RangeFigures | None
    problem: str


def prove(
    bundles: Sequence[Path],
    names: Sequence[str],
    releases: Sequence[str],
    folder: Path,
    *,
    qemu: Path | None = None,
    every: bool = False,
) -> Iterator[tuple[str, Outcome | Ranges]]:
    """Prove `bundles` on the machines of these names, as many at a time as there are processors.

    Gives the machine's name with each outcome, as they come; with `every`, the sigmoid is tried on
    ARM with the last of `releases` (on x86-64, `python -m export sigmoid` tries all 2³² on the
    machine itself). What the machines need is kept in `folder`.
    """
    tasks: list[tuple[str, Callable[[], Outcome | Ranges]]] = []
    for name in names:
        for minor in releases:
            runtime = f"onnxruntime {minor}"
            try:
                python = python_of(name, minor, folder, qemu)
            except ParityError as reason:
                yield from ((name, Outcome(runtime, b, None, str(reason))) for b in bundles)
                continue
            if every and minor == releases[-1] and is_arm(name):
                tasks.append((name, partial(_every_logit, python, name, runtime)))
            for i, bundle in enumerate(bundles):
                options = ["--no-further-windows"] if i else []
                tasks.append((name, partial(prove_with, python, runtime, bundle, *options)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            running = {pool.submit(task): name for name, task in tasks}
            for done in as_completed(running):
                yield running[done], done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def python_of(name: str, minor: str, folder: Path, qemu: Path | None = None) -> Path:
    """The Python of a machine that has this onnxruntime, made where it is missing."""
    processor = MACHINES[name]
    if processor is None:
        return environment(folder / f"onnxruntime-{minor}", minor, "tqdm")
    return emulated_python(processor, minor, folder, qemu)


def is_arm(name: str) -> bool:
    """Whether the machine of this name is an emulated ARM64 processor."""
    processor = MACHINES[name]
    return processor is not None and processor.architecture is AARCH64


def _every_logit(python: Path, machine: str, runtime: str) -> Ranges:
    figures, problem, _ = figures_of(python, RangeFigures, "export.sigmoid.ranges")
    return Ranges(machine, runtime, figures, problem)


def table(outcomes: Sequence[tuple[str, Outcome]]) -> TextTable:
    """One line for each machine, release and bundle, in the order of MACHINES.

    What has the same letter has the same bits in every score of a bundle.
    """
    letters, rows = BitsLetters(), []
    order = list(MACHINES)
    for name, found in sorted(
        outcomes,
        key=lambda pair: (
            order.index(pair[0]),
            pair[1].runtime,
            len(pair[1].bundle.name),
            pair[1].bundle.name,
        ),
    ):
        figures = found.figures
        runtime = found.runtime if figures is None else figures.runtime
        start = (name, runtime, found.bundle.name)
        if figures is None:
            rows.append((*start, "refused" if found.refused else "FAILED", *("—",) * 4))
            continue
        rows.append((
            *start,
            "holds",
            of_budget(figures.logit_share),
            of_budget(figures.probability_share),
            ulp(figures.kernel_ulp),
            letters.letter(found.bundle, figures.bits),
        ))  # fmt: skip
    heading = ("machine", "runtime", "bundle", "promises", "logit of budget", "prob. of budget",
               "sigmoid ULP", "bits")  # fmt: skip
    return TextTable(heading, rows)


def ranges_table(found: Sequence[Ranges]) -> TextTable:
    """The sigmoid on every logit: one line for each machine and release."""
    order, rows = list(MACHINES), []
    for ranges in sorted(found, key=lambda ranges: (order.index(ranges.machine), ranges.runtime)):
        figures = ranges.figures
        start = (ranges.machine, ranges.runtime)
        if figures is None:
            rows.append((*start, *("—",) * 4, "FAILED"))
            continue
        rows.append((*start, f"{figures.logits:,}", ulp(figures.ulp), f"{figures.falls:,}",
                     f"{figures.outside:,}", "holds" if figures.proven else "FAILED"))  # fmt: skip
    heading = ("machine", "runtime", "logits", "worst ULP", "falls", "outside [0, 1]", "promises")
    return TextTable(heading, rows)


def require(outcomes: Sequence[tuple[str, Outcome]], ranges: Sequence[Ranges]) -> None:
    """Raise ParityError naming every promise that is broken where nothing is refused. An emulated
    machine may be refused by its self-test, this one may not."""
    broken = [
        f"{found.machine}, {found.runtime}: "
        + (found.problem or f"the sigmoid on every logit: {found.figures}")
        for found in ranges
        if found.figures is None or not found.figures.proven
    ]
    outcome.require(one for name, one in outcomes if name == THIS_MACHINE)
    outcome.require((one for name, one in outcomes if name != THIS_MACHINE), may_refuse=True)
    if broken:
        raise ParityError("\n".join(broken))
