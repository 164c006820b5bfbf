"""The command `python -m benchmarks.training` (`make bench-train`): the sections of training.md."""

from pathlib import Path

from benchmarks.harness.sections import Section, Suite
from benchmarks.training import batches, choice, epochs, gpu, minimum, mixed, on_disk

_INTRODUCTION = """\
# Benchmarks of training

`make bench-train` makes this page, `make bench-train ARGS="--only NAME"` one section of it again.
[results.md](results.md) has those of serving.

Everything compared is timed in one process, in rounds: each round times every contender once, in
a new order, after the threads of the one before have come to rest. A time is the median over the
rounds, a ratio the median of the ratios within each round: 2× is twice the time of train, and below
1×, in **bold**, it is faster. In a target, "A to B" is the time of A over the time of B.
"""

_SECTIONS = {
    "epochs": Section("What does an epoch cost?", epochs.measure),
    "batches": Section("And in mini-batches?", batches.measure),
    "stream": Section("And when the rows do not fit into memory?", on_disk.measure),
    "gpu": Section("And on a GPU?", gpu.measure),
    "minimum": Section("How long is the way to the minimum?", minimum.measure),
    "mixed": Section("And with categories?", mixed.measure),
    "choice": Section("And with the choice of a penalty?", choice.measure),
}

TRAINING = Suite(Path(__file__).parents[1] / "training.md", _INTRODUCTION, _SECTIONS)

main = TRAINING.command("Time train beside others and beside what the machine can do.")
