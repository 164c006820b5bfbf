"""onnxruntime sessions that suit a host program: silent, with no telemetry and no threads."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np

from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.onnx_graph import write_graph, write_linear, write_sigmoid
from serve_runtime.errors import ProviderError, RuntimeVersionError
from serve_runtime.inference.tried import OLDEST_ONNXRUNTIME, release
from serve_runtime.shown import listed, quoted

# Official onnxruntime wheels since 1.29 send usage telemetry unless this is set before the
# library is loaded (its Privacy.md). An embedded predictor must not phone home; a host program
# that has decided otherwise keeps its decision.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort

if os.environ["ORT_DISABLE_TELEMETRY"] == "1":
    ort.disable_telemetry_events()  # the variable came too late if the host had loaded it already

CPU: Final = "CPUExecutionProvider"

SESSION_CONFIG: Final = {"mlas.disable_kleidiai": "1"}
"""Entries of every session's configuration; releases that do not know one ignore it. KleidiAI's
kernels, which onnxruntime takes on ARM with SME, clamp what they compute to ±FLT_MAX: NaN and
infinities would get a score."""

_LOG_FATAL = 4
"""onnxruntime logs to stderr what it also raises; a library stays silent."""

_RUN_OPTIONS = ort.RunOptions()
"""Shared by every run: without one, onnxruntime makes one a call, which takes 0.5 µs."""


def onnxruntime_version() -> str:
    """Of the onnxruntime that is loaded."""
    return str(ort.__version__)


def check_providers(providers: Sequence[str]) -> tuple[str, ...]:
    """`providers` if this onnxruntime can serve with them.

    Raises RuntimeVersionError where it is too old to be proven, ProviderError where it lacks one.
    """
    if release(onnxruntime_version()) < OLDEST_ONNXRUNTIME:
        raise RuntimeVersionError(
            f"serve-runtime needs onnxruntime {'.'.join(map(str, OLDEST_ONNXRUNTIME))} or later; "
            f"this is {onnxruntime_version()}: pip install --upgrade onnxruntime"
        )
    if isinstance(providers, str):
        raise ProviderError(
            f"providers must be a sequence of names; got the text {quoted(providers)}"
        )
    available = ort.get_available_providers()
    absent = [name for name in providers if name not in available]
    if absent or not providers:
        raise ProviderError(
            f"execution provider {listed(absent) or '(none given)'} is not available; this "
            f"onnxruntime {onnxruntime_version()} offers {', '.join(available)}"
        )
    return tuple(providers)


class Session:
    """An onnxruntime session of one thread, with one input and at most two outputs.

    Raises ProviderError if it would not run where it was asked to.
    """

    def __init__(self, model: bytes, providers: Sequence[str]) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _LOG_FATAL
        # These graphs leave nothing to optimise, and looking for it takes a third of the load.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        # Its pattern cache keeps an entry for every batch size that was ever seen, its arena the
        # most memory that was ever needed.
        options.enable_mem_pattern = False
        options.enable_cpu_mem_arena = False
        for entry in SESSION_CONFIG.items():
            options.add_session_config_entry(*entry)
        self._session = session = ort.InferenceSession(model, options, providers=list(providers))
        used = session.get_providers()
        if used[: len(providers)] != list(providers):
            raise ProviderError(
                f"asked for {', '.join(providers)}; onnxruntime uses {', '.join(used)}"
            )
        (self._input,) = (entry.name for entry in session.get_inputs())
        self._outputs = [entry.name for entry in session.get_outputs()]
        # The method that onnxruntime's own `run` calls after checks that we do not need and that
        # cost more than a node of the graph; `run` itself where a release is built otherwise.
        self._inner = getattr(session, "_sess", session)

    def run(self, features: Float32) -> list[Float32]:
        """The graph's outputs as new arrays, for a C-contiguous array in its input's shape."""
        outputs: list[Float32] = self._inner.run(
            self._outputs, {self._input: features}, _RUN_OPTIONS
        )
        return outputs

    def bind(self, features: Float32, *outputs: Float32) -> Callable[[], None]:
        """A function that runs the graph on the memory of `features` and writes into `outputs`.

        All arrays are C-contiguous, in the shapes of the graph, and must outlive the function.
        """
        binding = self._session.io_binding()
        binding.bind_input(self._input, "cpu", 0, np.float32, features.shape, features.ctypes.data)
        for name, output in zip(self._outputs, outputs, strict=True):
            binding.bind_output(name, "cpu", 0, np.float32, output.shape, output.ctypes.data)
        run = self._inner.run_with_iobinding
        bound = binding if self._inner is self._session else binding._iobinding
        return partial(run, bound, _RUN_OPTIONS)


LOGITS_ONLY: Final = "logits only"
SIGMOID: Final = "sigmoid"
"""Names of sessions that hold only a part of the graph; ROWS and COLUMNS hold all of it."""


class Sessions(dict[str, Session]):
    """The sessions of one model by name, each opened when it is first asked for."""

    def __init__(self, affine: Affine, providers: Sequence[str]) -> None:
        self._affine, self._providers = affine, providers

    def __missing__(self, name: str) -> Session:
        if name == SIGMOID:
            model = write_sigmoid()
        elif name == LOGITS_ONLY:
            model = write_linear(self._affine)
        else:
            model = write_graph(self._affine, name)
        # Where two threads come here at once, both open one and the first is kept.
        return self.setdefault(name, Session(model, self._providers))
