"""Every method, beside scikit-learn's of the same name."""

from functools import partial

from benchmarks import peers
from benchmarks.answers import Answer, many, micro, times
from benchmarks.timing import race, threads_of_peers
from benchmarks.workshop import WIDTH, Workshop, data
from export.text_table import TextTable as Table

METHODS = ("predict_proba", "decision_function", "predict")
OWN = ("probability", "scores")


def answer(shop: Workshop) -> Answer:
    """A row, a thousand and a million, on one thread."""
    model = shop.model()
    predictor, sklearn = model.predictor(1), peers.sklearn_model(model.affine)
    tables: list[Table | str] = [f"float32 rows of {WIDTH} features, one thread."]
    for size in (1, 1024, shop.scale.rows):
        rows = data(size)
        calls = {}
        for name in (*OWN, *METHODS):
            calls[f"ours {name}"] = partial(getattr(predictor, name), rows)
        for name in METHODS:
            calls[f"their {name}"] = partial(getattr(sklearn, name), rows)
        with threads_of_peers(1):
            found = race(calls, seconds=shop.scale.seconds, rounds=shop.scale.rounds)
        lines = [
            (
                name,
                micro(found.median(f"ours {name}")),
                f"{found.ratio(f'ours {name}', 'ours probability'):.2f}×",
                *(
                    (
                        micro(found.median(f"their {name}")),
                        times(found.ratio(f"their {name}", f"ours {name}")),
                    )
                    if name in METHODS
                    else ("", "")
                ),
            )
            for name in (*OWN, *METHODS)
        ]
        heading = (many(size, "row"), "µs", "to probability", "scikit-learn, µs",
                   "its ratio to ours")  # fmt: skip
        tables.append(Table(heading, lines))
    return Answer(tables)
