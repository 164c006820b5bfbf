"""Batches from one row to ten million."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.answers import Answer, digits, many, micro, times
from benchmarks.contenders import contenders
from benchmarks.floor import dot
from benchmarks.timing import Call, Times, race, threads_of_peers
from benchmarks.workshop import WIDTH, Workshop, data
from export.text_table import TextTable as Table

OURS, BOTH, READ = "probability", "predict_proba", "one read"
THREADS = (1, 2)


def answer(shop: Workshop) -> Answer:
    """Every size at one and two threads; draws the picture too."""
    found = {threads: _by_size(shop, threads) for threads in THREADS}
    _draw(shop.picture, found)
    parts: list[Table | str] = [
        f"float32 rows of {WIDTH} features: µs a call, and its ratio to probability(). "
        "scikit-learn and skl2onnx answer both classes, as predict_proba does. One read is np.dot "
        "of the values with themselves, a part for each thread.",
    ]
    for threads, by_size in found.items():
        others = [name for name in next(iter(by_size.values())).seconds if name != OURS]
        lines = [
            (
                f"{size:,}",
                micro(measured.median(OURS)),
                digits(measured.median(OURS) / size * 1e9),
                *(
                    f"{micro(measured.median(name))} ({times(measured.ratio(name, OURS))})"
                    for name in others
                ),
            )
            for size, measured in by_size.items()
        ]
        heading = (f"rows, {many(threads, 'thread')}", OURS, "ns a row", *others)
        parts.append(Table(heading, lines))
    parts.append(f"![time of a row by the size of the batch]({shop.picture.name})")
    return Answer(parts)


def _by_size(shop: Workshop, threads: int) -> Mapping[int, Times]:
    model = shop.model()
    predictor, peers = model.predictor(threads), contenders(model.affine, threads)
    found = {}
    for size in shop.scale.sizes:
        rows = data(size)
        calls: dict[str, Call] = {
            OURS: partial(predictor.probability, rows),
            BOTH: partial(predictor.predict_proba, rows),
        }
        for name, score in peers.items():
            calls[name] = partial(score, rows)
        with threads_of_peers(threads), ThreadPoolExecutor(threads) as pool:
            calls[READ] = dot(rows, pool, threads)
            found[size] = race(calls, seconds=shop.scale.seconds, rounds=shop.scale.rounds)
    return found


def _draw(path: Path, found: Mapping[int, Mapping[int, Times]]) -> None:
    """Nanoseconds of a row against the rows of a batch, one panel for each number of threads."""
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
        axes.set(xscale="log", yscale="log", xlabel=f"rows in a batch, {many(threads, 'thread')}")
        axes.grid(alpha=0.3)
    panels[0].set(ylabel="ns a row")
    panels[-1].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _nanoseconds(by_size: Mapping[int, Times], name: str) -> Sequence[float]:
    return [measured.median(name) / size * 1e9 for size, measured in by_size.items()]
