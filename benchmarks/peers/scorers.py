"""The same model scored by other libraries as their users call them: an array in, an array out."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from torch import nn

from benchmarks.peers import exports
from export.formats.torch_values import tensors
from serve_runtime.bundle.affine import Affine

Scorer = Callable[[Any], Any]

TORCH_GRAPH = "torch.onnx.export"
SKL2ONNX = "skl2onnx"
SKLEARN = "scikit-learn"
NUMPY = "numpy"


def peer_scorers(affine: Affine, threads: int) -> dict[str, Scorer]:
    """By name, functions that take float32 rows (n, d) and return P(positive) of each row.

    The graphs run in onnxruntime at its defaults, on `threads` threads; scikit-learn and skl2onnx
    answer both classes, as they do. numpy, scikit-learn and torch take the threads that
    `harness.timing.limit_threads` gives them.
    """
    torch_graph = session(exports.torch_export(sequential(affine)), threads)
    skl2onnx = session(
        exports.skl2onnx_export(exports.sklearn_model(affine), raw_scores=False), threads
    )
    weight, bias = affine.weight, np.float32(affine.bias)
    eager = sequential(affine)
    return {
        TORCH_GRAPH: lambda rows: torch_graph.run(None, {"features": rows}),
        SKL2ONNX: lambda rows: skl2onnx.run(["probabilities"], {"features": rows}),
        SKLEARN: exports.sklearn_model(affine).predict_proba,
        NUMPY: lambda rows: 1 / (1 + np.exp(-(rows @ weight + bias))),
        "torch": _module_scorer(eager),
        "TorchScript": _module_scorer(_scripted(eager)),
    }


def session(content: bytes, threads: int) -> Any:
    """An onnxruntime session of the ONNX file `content`, at onnxruntime's defaults."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def sequential(affine: Affine) -> nn.Sequential:
    """nn.Sequential(nn.Linear(d, 1), nn.Sigmoid()) with these weights, for inference."""
    linear = nn.Linear(len(affine.weight), 1)
    linear.load_state_dict(tensors(affine))
    return nn.Sequential(linear, nn.Sigmoid()).eval().requires_grad_(False)


def _scripted(module: nn.Module) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch announces its successor
        return torch.jit.freeze(torch.jit.script(module))


def _module_scorer(module: Any) -> Scorer:
    @torch.inference_mode()
    def score(rows: Any) -> Any:
        return module(torch.from_numpy(rows)).numpy()

    return score
