"""Scores by onnxruntime itself, at settings of our choice and without a Predictor."""

from typing import Any

import numpy as np
import onnxruntime as ort

from export.formats.artifact import Score, Scores
from serve_runtime.arrays import COLUMNS, Float32
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


def onnx_score(content: bytes, layout: str, *, threads: int = 1, optimize: bool = True) -> Score:
    """Score with the ONNX model in `content`, whose input has the layout ROWS or COLUMNS."""
    run = session(content, threads=threads, optimize=optimize).run

    def score(rows: Float32) -> Scores:
        if layout == COLUMNS:
            logit, probability = run(None, {"columns": np.ascontiguousarray(rows.T)})
        else:
            logit, probability = run(None, {"features": rows})
        return logit.reshape(-1), probability.reshape(-1)

    return score
