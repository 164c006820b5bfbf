"""The command `python -m benchmarks` (`make bench`): every section of results.md, in order."""

from pathlib import Path

from benchmarks.footprint import disk, embedding, peak_memory, soak
from benchmarks.harness.sections import Section, Suite
from benchmarks.serving import (
    batches,
    concurrent_calls,
    conversions,
    files,
    grid,
    layouts,
    methods,
    mixed,
    one_row,
    reload,
)

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

_SECTIONS = {
    "one-row": Section("What does one row cost?", one_row.measure),
    "batches": Section("And a batch, from 1 row to 10 million?", batches.measure),
    "methods": Section("And the other methods?", methods.measure),
    "everywhere": Section("Is anything slower than scikit-learn?", grid.measure),
    "million": Section("A million rows, however they lie?", layouts.measure),
    "conversions": Section("And rows that are no arrays of numbers?", conversions.measure),
    "mixed": Section("And categories beside numbers?", mixed.measure),
    "files": Section("A file?", files.measure),
    "memory": Section("Does memory grow with the file?", peak_memory.measure),
    "guest": Section("What does a program pay that embeds it?", embedding.measure),
    "sizes": Section("And on disk?", disk.measure),
    "crowd": Section("Many threads at once?", concurrent_calls.measure),
    "reload": Section("A new model under load?", reload.measure),
    "soak": Section("Does memory grow with the calls?", soak.measure),
}

SERVING = Suite(Path(__file__).with_name("results.md"), _INTRODUCTION, _SECTIONS)

main = SERVING.command("Time serve_runtime beside others and beside what the machine can do.")
