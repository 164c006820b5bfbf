"""The section "mixed": rows of numbers and categories, beside as many numbers and other exports."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness.context import Context, ExportedModel
from benchmarks.harness.result import (
    Result,
    Target,
    at_least,
    at_most,
    count_text,
    digits,
    microseconds,
    milliseconds,
    ratio_text,
)
from benchmarks.harness.timing import Call, Times, limit_threads
from benchmarks.peers.mixed_pipeline import skl2onnx_pipeline, sklearn_pipeline, spline_pipeline
from benchmarks.peers.scorers import SKL2ONNX, SKLEARN, session
from benchmarks.serving.mixed_rows import (
    NUMBERS,
    RawRows,
    category,
    dictionary,
    objects,
    own_inputs,
    peer_inputs,
    random_rows,
    texts,
)
from export.text_table import TextTable
from serve_runtime import Predictor, score_file
from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.features.encoding import Encoding
from serve_runtime.inference.block_scorer import Outputs
from serve_runtime.inference.engine import Engine
from serve_runtime.inputs.batch_limits import LIMITS
from serve_runtime.inputs.blocks import BatchInput, ColumnInput
from serve_runtime.inputs.encoded import EncodedInput, Encoder

CATEGORIES = 8
WIDTH = NUMBERS + CATEGORIES
SOME = 1024
QUANTILES = 32
"""At which bent numbers bend."""
BENT = "bent"
OURS, PLAIN, FILE = "mixed", f"{WIDTH} numbers", "model.onnx alone"
FLOATS, DICTIONARIES, TEXTS = f"{WIDTH} float32 columns", "Arrow dictionaries", "Arrow strings"
_CPU = ("CPUExecutionProvider",)


def measure(context: Context) -> Result:
    """Time the mixed model with every kind of rows, on one thread."""
    model = context.mixed_model(NUMBERS, CATEGORIES)
    predictor, plain = model.predictor(1), context.model(WIDTH).predictor(1)
    encoding = _encoding(model)
    rows = random_rows(encoding, context.scale.rows)
    with limit_threads(1):
        found = [
            _few(context, model, encoding, predictor, plain, rows),
            _many(context, predictor, plain, rows),
            _offset(context, model.affine, encoding, rows),
            _bent(context, predictor, rows),
            _parquet(context, predictor, rows),
        ]
    return Result(
        [
            f"A model of {NUMBERS} numbers and {CATEGORIES} categories of "
            f"{min(map(len, rows.levels))} to {max(map(len, rows.levels))} levels, one thread, "
            f"beside one of {WIDTH} numbers. {SKL2ONNX} is a pipeline of OneHotEncoder, "
            "StandardScaler and LogisticRegression with the same weights; it and the model.onnx "
            "of the bundle run in onnxruntime, on the same dicts, put into arrays first.",
            *(table for table, _ in found),
        ],
        [target for _, targets in found for target in targets],
    )


def _few(
    context: Context,
    model: ExportedModel,
    encoding: Encoding,
    predictor: Predictor,
    plain: Predictor,
    rows: RawRows,
) -> tuple[TextTable, list[Target]]:
    """One row, and a small batch."""
    pipeline = sklearn_pipeline(model.affine, encoding, rows.columns(SOME, objects))
    peer = session(skl2onnx_pipeline(pipeline, *rows.names), 1)
    own = session((model.bundle / "model.onnx").read_bytes(), 1)
    lines, found = [], {}
    for count in (1, SOME):
        dicts, values = rows.dicts(count), np.random.default_rng(1).random((count, WIDTH))
        names = [column.name for column in plain.card.columns]
        floats = [dict(zip(names, row, strict=True)) for row in values.tolist()]
        calls: dict[str, Call] = {
            OURS: partial(predictor.probability, dicts[0] if count == 1 else dicts),
            PLAIN: partial(plain.probability, floats[0] if count == 1 else floats),
            FILE: partial(_run_own, own, dicts, rows),
            SKL2ONNX: partial(_run_peer, peer, dicts, rows),
        }
        found[count] = measured = context.time(calls, 2)
        lines += [
            (f"{count_text(count, 'row')}, {name}", microseconds(measured.median(name)),
             "" if name == OURS else ratio_text(measured.ratio(name, OURS)))
            for name in calls
        ]  # fmt: skip
    one = found[1]
    return TextTable((f"dicts, {count_text(one.rounds, 'round')}", "µs", "to ours"), lines), [
        at_most(f"1 dict, {OURS}: to {PLAIN}", one.ratio(OURS, PLAIN), 1),
        at_least(f"1 dict: {SKL2ONNX} to {OURS}", one.ratio(SKL2ONNX, OURS), 4),
    ]


def _many(
    context: Context, predictor: Predictor, plain: Predictor, rows: RawRows
) -> tuple[TextTable, list[Target]]:
    """All rows, as columns of several kinds."""
    count = len(rows.codes[0])
    floats = np.random.default_rng(2).random((WIDTH, count), np.float32)
    names = [column.name for column in plain.card.columns]
    taken: dict[str, Any] = {
        DICTIONARIES: pa.table(rows.columns(count, dictionary)),
        TEXTS: pa.table(rows.columns(count, texts)),
        "pandas category": pd.DataFrame(rows.columns(count, category)),
        "pandas object": pd.DataFrame(rows.columns(count, objects)),
    }
    calls: dict[str, Call] = {
        FLOATS: partial(plain.probability, dict(zip(names, floats, strict=True)))
    }
    calls |= {name: partial(predictor.probability, x) for name, x in taken.items()}
    found = context.time(calls, 6)
    cell = {name: _cell(found, name, count) for name in taken}
    lines = [
        (name, milliseconds(found.median(name)), digits(cell[name]) if name in cell else "",
         f"{found.ratio(name, FLOATS):.2f}×")
        for name in calls
    ]  # fmt: skip
    size = count_text(count, "row")
    heading = (f"{size}, {count_text(found.rounds, 'round')}", "ms", "ns a category's cell",
               f"to {FLOATS}")  # fmt: skip
    return TextTable(heading, lines), [
        at_most(f"{size}, {DICTIONARIES}: to {FLOATS}", found.ratio(DICTIONARIES, FLOATS), 2.5),
        at_most(f"{size}, {TEXTS}: a category's cell", cell[TEXTS], 60, " ns"),
    ]


def _cell(found: Times, name: str, count: int) -> float:
    """Nanoseconds of a cell of a category, the whole call divided by them."""
    return found.median(name) / count / CATEGORIES * 1e9


def _offset(
    context: Context, affine: Affine, encoding: Encoding, rows: RawRows
) -> tuple[TextTable, list[Target]]:
    """Numbers with an offset that is there already, through the engine, beside numbers alone."""
    plain = Engine(affine, 1, _CPU)
    # No category is left: the offsets are there already.
    encoder = _only_offset(affine, encoding)
    other = Engine(affine, 1, _CPU, encoding=encoder.encoding)
    lines, targets = [], []
    for count, most in ((1, 1.15), (SOME, 1.35), (len(rows.codes[0]), 1.1)):
        numbers = np.ascontiguousarray(rows.numbers[:, :count])
        columns = ColumnInput(list(numbers), rows.names[0])
        with_offset = _Offset(encoder, numbers, np.zeros(count, np.float32))
        found = context.time(
            {
                "with": partial(_probability, other, with_offset),
                "alone": partial(_probability, plain, columns),
            },
            2,
        )
        size = count_text(count, "row")
        ratio = found.ratio("with", "alone")
        lines.append(
            (size, microseconds(found.median("alone")), microseconds(found.median("with")),
             f"{ratio:.2f}×")
        )  # fmt: skip
        targets.append(at_most(f"{size}, {NUMBERS} numbers: with an offset to alone", ratio, most))
    heading = (f"{NUMBERS} numbers in one block, through the engine", "µs, alone",
               "µs, with an offset", "ratio")  # fmt: skip
    return TextTable(heading, lines), targets


def _bent(context: Context, straight: Predictor, rows: RawRows) -> tuple[TextTable, list[Target]]:
    """Numbers that are all bent, beside the same without curves, and as scikit-learn bends them."""
    bent = context.mixed_model(NUMBERS, CATEGORIES, QUANTILES).predictor(1)
    models, count = {BENT: bent, OURS: straight}, len(rows.codes[0])
    (row,), every = rows.dicts(1), pa.table(rows.columns(count, dictionary))
    peer = spline_pipeline(rows.numbers, QUANTILES)
    one = context.time({name: partial(p.probability, row) for name, p in models.items()}, 2)
    calls: dict[str, Call] = {n: partial(p.probability, every) for n, p in models.items()}
    many = context.time(calls | {SKLEARN: partial(peer.predict_proba, rows.numbers.T)}, 6)
    size = count_text(count, "row")
    cell = (many.median(BENT) - many.median(OURS)) / count / NUMBERS * 1e9
    more = (one.median(BENT) - one.median(OURS)) * 1e6
    lines = [
        (name, microseconds(one.median(name)) if name != SKLEARN else "",
         milliseconds(many.median(name)), f"{many.ratio(name, BENT):.2f}×")
        for name in (BENT, OURS, SKLEARN)
    ]  # fmt: skip
    heading = (f"{NUMBERS} numbers that bend at {QUANTILES} values; {SKLEARN} has no categories",
               "µs, 1 dict", f"ms, {size}", f"to {BENT}")  # fmt: skip
    return TextTable(heading, lines), [
        at_most(f"1 dict: {NUMBERS} {BENT} numbers cost", more, 6, " µs"),
        at_most(f"{size}: a cell of a {BENT} number costs", cell, 25, " ns"),
    ]


class _Offset(EncodedInput):
    """Numbers (k, n) whose offsets (n,) are there already."""

    def __init__(self, encoder: Encoder, numbers: Float32, offsets: Float32) -> None:
        super().__init__(encoder, list(numbers), [], list(numbers), LIMITS)
        self._offsets = offsets

    def offset(self, start: int, stop: int, buffer: Float32) -> None:
        buffer[: stop - start] = self._offsets[start:stop]

    def offsets(self) -> Float32:
        return self._offsets


def _only_offset(affine: Affine, encoding: Encoding) -> Encoder:
    """An Encoder of the numbers of `encoding` alone."""
    alone = Encoding(encoding.numbers, encoding.fill, encoding.gap, encoding.center, ())
    return Encoder(alone, affine.bias, LIMITS)


def _probability(engine: Engine, batch: BatchInput) -> Float32:
    found = np.empty(batch.rows, np.float32)
    engine.score(batch, Outputs(probability=found))
    return found


def _parquet(
    context: Context, predictor: Predictor, rows: RawRows
) -> tuple[TextTable, list[Target]]:
    """A Parquet file that is scored, its categories stored as dictionaries and as plain strings."""
    kinds: Mapping[str, Any] = {"dictionaries": dictionary, "strings": texts}
    calls: dict[str, Call] = {}
    count = min(context.scale.file_rows[1], len(rows.codes[0]))
    sizes = {}
    for name, kind in kinds.items():
        source = context.folder / f"mixed-{name}.parquet"
        table = pa.table(rows.columns(count, kind))
        pq.write_table(table, source, use_dictionary=kind is dictionary)
        sizes[name] = source.stat().st_size
        calls[name] = partial(_score_file, predictor, source)
    found = context.time(calls, 6)
    lines = [
        (name, f"{sizes[name] / 1e6:.1f}", milliseconds(found.median(name)),
         "" if name == "dictionaries" else ratio_text(found.ratio(name, "dictionaries")))
        for name in calls
    ]  # fmt: skip
    size = count_text(count, "row")
    heading = (f"score_file, Parquet, {size}", "MB", "ms", "to dictionaries")
    return TextTable(heading, lines), [
        at_least(
            f"Parquet, {size}: strings to dictionaries",
            found.ratio("strings", "dictionaries"),
            2.5,
        )
    ]


def _score_file(predictor: Predictor, source: Path) -> None:
    score_file(predictor, source, source.with_name("mixed-scores.parquet"))


def _encoding(model: ExportedModel) -> Encoding:
    encoding = model.encoding
    assert encoding is not None
    return encoding


def _run_own(own: Any, dicts: Sequence[Mapping[str, Any]], rows: RawRows) -> object:
    return own.run(["probability"], own_inputs(dicts, rows))


def _run_peer(peer: Any, dicts: Sequence[Mapping[str, Any]], rows: RawRows) -> object:
    return peer.run(["probabilities"], peer_inputs(dicts, rows))
