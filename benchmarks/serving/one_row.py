"""The section "one-row": what a call with one row costs."""

from functools import partial

from benchmarks.harness.context import WIDTH, Context, normal_rows
from benchmarks.harness.result import Result, at_most, count_text, microseconds, ratio_text
from benchmarks.harness.timing import Call, limit_threads, time_in_rounds
from benchmarks.peers.scorers import NUMPY, TORCH_GRAPH, peer_scorers, session
from export.text_table import TextTable

OURS = "Predictor.probability"


def measure(context: Context) -> Result:
    """Time one float32 row with every method and every peer, on one thread."""
    row, model = normal_rows(1), context.model()
    predictor = model.predictor(1)
    own = session((model.bundle / "model.onnx").read_bytes(), 1)
    calls: dict[str, Call] = {
        OURS: partial(predictor.probability, row),
        "Predictor.predict_proba": partial(predictor.predict_proba, row),
        "model.onnx of the bundle, session.run": lambda: own.run(None, {"features": row}),
    }
    for name, score in peer_scorers(model.affine, 1).items():
        calls[name] = partial(score, row)
    with limit_threads(1):
        found = time_in_rounds(
            calls, seconds=4 * context.scale.seconds, rounds=(context.scale.rounds[0], 301)
        )
    rows = [
        (
            name,
            microseconds(found.median(name)),
            "" if name == OURS else ratio_text(found.ratio(name, OURS)),
        )
        for name in calls
    ]
    torch_graph, numpy = found.ratio(OURS, TORCH_GRAPH), found.ratio(OURS, NUMPY)
    return Result(
        [
            f"1 × {WIDTH} float32; numpy is the floor: `1 / (1 + np.exp(-(x @ w + b)))`, "
            f"unchecked. {count_text(found.rounds, 'round')}.",
            TextTable(("1 row, 1 thread", "µs", "to ours"), rows),
        ],
        [
            at_most(
                "1 row: probability() to session.run on torch.onnx.export's graph", torch_graph, 1
            ),
            at_most("1 row: the same, stretch goal", torch_graph, 0.8),
            at_most("1 row: probability() to numpy's x @ w and sigmoid", numpy, 2),
        ],
    )
