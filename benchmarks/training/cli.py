"""The command of the benchmarks of training: `make bench-train`."""

from pathlib import Path

from benchmarks.asking import Question, Questions
from benchmarks.training import batches, epochs, gpu, minimum, stream

_INTRODUCTION = """\
# Benchmarks of training

`make bench-train` makes this page, `make bench-train ARGS="--only NAME"` one section of it again.
[results.md](results.md) has those of serving.

Everything compared is timed in one process, in rounds: each round times every contender once, in
a new order, after the threads of the one before have come to rest. A time is the median over the
rounds, a ratio the median of the ratios within each round: 2× is twice the time of train, and below
1×, in **bold**, it is faster. In a target, "A to B" is the time of A over the time of B.
"""

_QUESTIONS = {
    "epochs": Question("What does an epoch cost?", epochs.answer),
    "batches": Question("And in mini-batches?", batches.answer),
    "stream": Question("And when the rows do not fit into memory?", stream.answer),
    "gpu": Question("And on a GPU?", gpu.answer),
    "minimum": Question("How long is the way to the minimum?", minimum.answer),
}

TRAINING = Questions(Path(__file__).parents[1] / "training.md", _INTRODUCTION, _QUESTIONS)

main = TRAINING.command("Time train beside others and beside what the machine can do.")
