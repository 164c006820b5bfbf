"""onnxruntime as the proof sees it: a model's bytes to scores, at any setting, no Predictor."""

from typing import Any

import numpy as np
import onnxruntime as ort

from export.formats.artifact import Score, Scores
from serve_runtime.arrays import COLUMNS, Float32


def session(content: bytes, *, threads: int = 1, optimize: bool = True) -> Any:
    """A CPU session at onnxruntime's default optimisation, or with none."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    # Many sessions at a time in one process: idle threads must not spin.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def scorer(content: bytes, layout: str, *, threads: int = 1, optimize: bool = True) -> Score:
    """Score with the graph in `content`, which takes `layout`."""
    run = session(content, threads=threads, optimize=optimize).run

    def score(rows: Float32) -> Scores:
        if layout == COLUMNS:
            logit, probability = run(None, {"columns": np.ascontiguousarray(rows.T)})
        else:
            logit, probability = run(None, {"features": rows})
        return logit.reshape(-1), probability.reshape(-1)

    return score
