"""The section "batches": time of a call from one row to ten million, as tables and a picture."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.harness.context import WIDTH, Context, normal_rows
from benchmarks.harness.result import Result, count_text, digits, microseconds, ratio_text
from benchmarks.harness.timing import Call, Times, limit_threads
from benchmarks.peers.memory_read import dot_read
from benchmarks.peers.scorers import peer_scorers
from export.text_table import TextTable

OURS, BOTH, READ = "probability", "predict_proba", "one read"
THREADS = (1, 2)


def measure(context: Context) -> Result:
    """Time every size at one and two threads; draw context.picture too."""
    found = {threads: _by_size(context, threads) for threads in THREADS}
    _draw(context.picture, found)
    parts: list[TextTable | str] = [
        f"float32 rows of {WIDTH} features: µs a call, and its ratio to probability(). "
        "scikit-learn and skl2onnx answer both classes, as predict_proba does. One read is np.dot "
        "of the values with themselves, a part for each thread.",
    ]
    for threads, by_size in found.items():
        others = [name for name in next(iter(by_size.values())).seconds if name != OURS]
        lines = [
            (
                f"{size:,}",
                microseconds(measured.median(OURS)),
                digits(measured.median(OURS) / size * 1e9),
                *(_time_and_ratio(measured, name) for name in others),
            )
            for size, measured in by_size.items()
        ]
        heading = (f"rows, {count_text(threads, 'thread')}", OURS, "ns a row", *others)
        parts.append(TextTable(heading, lines))
    parts.append(f"![time of a row by the size of the batch]({context.picture.name})")
    return Result(parts)


def _time_and_ratio(measured: Times, name: str) -> str:
    ratio = ratio_text(measured.ratio(name, OURS))
    return f"{microseconds(measured.median(name))} ({ratio})"


def _by_size(context: Context, threads: int) -> Mapping[int, Times]:
    model = context.model()
    predictor, peers = model.predictor(threads), peer_scorers(model.affine, threads)
    found = {}
    for size in context.scale.sizes:
        rows = normal_rows(size)
        calls: dict[str, Call] = {
            OURS: partial(predictor.probability, rows),
            BOTH: partial(predictor.predict_proba, rows),
        }
        for name, score in peers.items():
            calls[name] = partial(score, rows)
        with limit_threads(threads), ThreadPoolExecutor(threads) as pool:
            calls[READ] = dot_read(rows, pool, threads)
            found[size] = context.time(calls)
    return found


def _draw(path: Path, found: Mapping[int, Mapping[int, Times]]) -> None:
    """Nanoseconds of a row against the rows of a batch, one panel for each number of threads.

    `found`: threads → rows in a batch → the times at that size.
    """
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "benchmarks"  # the same figures give the same file
    figure, panels = plt.subplots(1, len(found), figsize=(11, 4.5), sharey=True)
    for axes, (threads, by_size) in zip(panels, found.items(), strict=True):
        for name in next(iter(by_size.values())).seconds:
            axes.plot(
                list(by_size),
                _nanoseconds(by_size, name),
                label=f"ours: {name}" if name in (OURS, BOTH) else name,
                linewidth=2.5 if name in (OURS, BOTH) else 1,
                color={OURS: "black", BOTH: "grey"}.get(name),
                linestyle=":" if name == READ else "-",
            )
        axes.set(
            xscale="log", yscale="log", xlabel=f"rows in a batch, {count_text(threads, 'thread')}"
        )
        axes.grid(alpha=0.3)
    panels[0].set(ylabel="ns a row")
    panels[-1].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _nanoseconds(by_size: Mapping[int, Times], name: str) -> Sequence[float]:
    return [measured.median(name) / size * 1e9 for size, measured in by_size.items()]
