"""One row: what a call costs."""

from functools import partial

from benchmarks.answers import Answer, at_most, many, micro, times
from benchmarks.contenders import NUMPY, TORCH_GRAPH, contenders, session
from benchmarks.timing import Call, race, threads_of_peers
from benchmarks.workshop import WIDTH, Workshop, data
from export.text_table import TextTable as Table

OURS = "Predictor.probability"


def answer(shop: Workshop) -> Answer:
    """One float32 row through everything, on one thread."""
    row, model = data(1), shop.model()
    predictor = model.predictor(1)
    own = session((model.bundle / "model.onnx").read_bytes(), 1)
    calls: dict[str, Call] = {
        OURS: partial(predictor.probability, row),
        "Predictor.predict_proba": partial(predictor.predict_proba, row),
        "model.onnx of the bundle, session.run": lambda: own.run(None, {"features": row}),
    }
    for name, score in contenders(model.affine, 1).items():
        calls[name] = partial(score, row)
    with threads_of_peers(1):
        found = race(calls, seconds=4 * shop.scale.seconds, rounds=(shop.scale.rounds[0], 301))
    rows = [
        (name, micro(found.median(name)), "" if name == OURS else times(found.ratio(name, OURS)))
        for name in calls
    ]
    torch_graph, numpy = found.ratio(OURS, TORCH_GRAPH), found.ratio(OURS, NUMPY)
    return Answer(
        [
            f"1 × {WIDTH} float32; numpy is the floor: `1 / (1 + np.exp(-(x @ w + b)))`, "
            f"unchecked. {many(found.rounds, 'round')}.",
            Table(("1 row, 1 thread", "µs", "to ours"), rows),
        ],
        [
            at_most(
                "1 row: probability() to session.run on torch.onnx.export's graph", torch_graph, 1
            ),
            at_most("1 row: the same, stretch goal", torch_graph, 0.8),
            at_most("1 row: probability() to numpy's x @ w and sigmoid", numpy, 2),
        ],
    )
