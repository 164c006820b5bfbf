"""Scores by onnxruntime itself, at settings of our choice and without a Predictor."""

from typing import Any

import numpy as np
import onnxruntime as ort

from export.formats.artifact import Score, Scores
from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.graph.encoded import tensor_names
from serve_runtime.features.column import NUMBER
from serve_runtime.features.encoding import Encoding
from serve_runtime.features.raw_rows import RawRows
from serve_runtime.inference.onnxruntime_library import CPU
from serve_runtime.inference.sessions import SESSION_CONFIG


def session(content: bytes, *, threads: int = 1, optimize: bool = True) -> Any:
    """A session on the CPU; `optimize` False turns onnxruntime's graph optimisations off."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    # A proof opens many sessions in one process; their idle threads must not keep cores busy.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for entry in SESSION_CONFIG.items():
        options.add_session_config_entry(*entry)
    return ort.InferenceSession(content, options, providers=[CPU])


def onnx_score(
    content: bytes,
    layout: str,
    encoding: Encoding | None = None,
    *,
    threads: int = 1,
    optimize: bool = True,
) -> Score:
    """Score with the ONNX model in `content`, whose input has the layout ROWS or COLUMNS; raw rows
    where it has an `encoding`."""
    run = session(content, threads=threads, optimize=optimize).run

    def score(rows: Any) -> Scores:
        if encoding is not None:
            logit, probability = run(None, raw_feed(encoding, layout, rows))
        elif layout == COLUMNS:
            logit, probability = run(None, {"columns": np.ascontiguousarray(rows.T)})
        else:
            logit, probability = run(None, {"features": rows})
        return logit.reshape(-1), probability.reshape(-1)

    return score


def raw_feed(
    encoding: Encoding, layout: str, rows: RawRows, missing: str | None = None
) -> dict[str, Any]:
    """The inputs of a file that encodes its columns, for raw rows.

    A missing text is None, as somebody's column may hold it, or `missing`; "" where None would be
    taken for a level of that name.
    """
    plain = sum(column.kind == NUMBER for column in encoding.columns)
    feed: dict[str, Any] = {}
    if plain:
        with np.errstate(over="ignore"):
            numbers = rows.numbers[:plain].astype(np.float32)
        name = tensor_names(encoding.columns)("numbers")  # another where a column is called so
        feed[name] = np.ascontiguousarray(numbers.T) if layout == ROWS else numbers
    shape = (-1, 1) if layout == ROWS else (1, -1)
    for column, values in zip(encoding.numbers[plain:], rows.numbers[plain:], strict=True):
        feed[column.name] = values.reshape(shape)
    for column, texts in zip(encoding.categories, rows.texts, strict=True):
        stands = "" if "None" in (*column.levels, *column.rare) else missing
        filled = [stands if text is None else text for text in texts]
        feed[column.name] = np.array(filled, object).reshape(shape)
    return feed
