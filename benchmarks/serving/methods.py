"""The section "methods": every method, beside scikit-learn's of the same name."""

from functools import partial

from benchmarks.harness.context import WIDTH, Context, normal_rows
from benchmarks.harness.result import Result, count_text, microseconds, ratio_text
from benchmarks.harness.timing import limit_threads
from benchmarks.peers import exports
from export.text_table import TextTable

METHODS = ("predict_proba", "decision_function", "predict")
OWN = ("probability", "scores")


def measure(context: Context) -> Result:
    """Time one row, a thousand and a million on one thread."""
    model = context.model()
    predictor, sklearn = model.predictor(1), exports.sklearn_model(model.affine)
    tables: list[TextTable | str] = [f"float32 rows of {WIDTH} features, one thread."]
    for size in (1, 1024, context.scale.rows):
        rows = normal_rows(size)
        calls = {}
        for name in (*OWN, *METHODS):
            calls[f"ours {name}"] = partial(getattr(predictor, name), rows)
        for name in METHODS:
            calls[f"their {name}"] = partial(getattr(sklearn, name), rows)
        with limit_threads(1):
            found = context.time(calls)
        lines = [
            (
                name,
                microseconds(found.median(f"ours {name}")),
                f"{found.ratio(f'ours {name}', 'ours probability'):.2f}×",
                *(
                    (
                        microseconds(found.median(f"their {name}")),
                        ratio_text(found.ratio(f"their {name}", f"ours {name}")),
                    )
                    if name in METHODS
                    else ("", "")
                ),
            )
            for name in (*OWN, *METHODS)
        ]
        heading = (count_text(size, "row"), "µs", "to probability", "scikit-learn, µs",
                   "its ratio to ours")  # fmt: skip
        tables.append(TextTable(heading, lines))
    return Result(tables)
