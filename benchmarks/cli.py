"""The command of the benchmarks of serving: `make bench`."""

from pathlib import Path

from benchmarks import (
    batches,
    crowd,
    everywhere,
    files,
    guest,
    memory,
    methods,
    million,
    one_row,
    reload,
    sizes,
    soak,
)
from benchmarks.asking import Question, Questions

_INTRODUCTION = """\
# Benchmarks

`make bench` makes this page, `make bench ARGS="--only NAME"` one section of it again.

Everything compared is timed in one process, in rounds: each round times every contender once, in
a new order, after the threads of the one before have come to rest. A time is the median over the
rounds, a ratio the median of the ratios within each round. Every contender takes a numpy array
(or the table that its line names) and answers a numpy array; all have the same weights. Ratios
are to ours: 2× is twice our time, and below 1×, in **bold**, it is faster than ours. In a target,
"A to B" is the time of A over the time of B.
"""

_QUESTIONS = {
    "one-row": Question("What does one row cost?", one_row.answer),
    "batches": Question("And a batch, from 1 row to 10 million?", batches.answer),
    "methods": Question("And the other methods?", methods.answer),
    "everywhere": Question("Is anything slower than scikit-learn?", everywhere.answer),
    "million": Question("A million rows, however they lie?", million.answer),
    "files": Question("A file?", files.answer),
    "memory": Question("Does memory grow with the file?", memory.answer),
    "guest": Question("What does a program pay that embeds it?", guest.answer),
    "sizes": Question("And on disk?", sizes.answer),
    "crowd": Question("Many threads at once?", crowd.answer),
    "reload": Question("A new model under load?", reload.answer),
    "soak": Question("Does memory grow with the calls?", soak.answer),
}

SERVING = Questions(Path(__file__).with_name("results.md"), _INTRODUCTION, _QUESTIONS)

main = SERVING.command("Time serve_runtime beside others and beside what the machine can do.")
