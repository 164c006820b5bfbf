"""onnxruntime sessions that suit a host program: silent, with no telemetry and no threads."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.onnx_graph import write_graph, write_linear, write_sigmoid
from serve_runtime.errors import ProviderError
from serve_runtime.inference.onnxruntime_library import CPU, Provider, ort, provider_names

SESSION_CONFIG: Final = {"mlas.disable_kleidiai": "1"}
"""Entries of every session's configuration; releases that do not know one ignore it. KleidiAI's
kernels, which onnxruntime takes on ARM with SME, clamp what they compute to ±FLT_MAX: NaN and
infinities would get a score."""

_LOG_FATAL = 4
"""onnxruntime logs to stderr what it also raises; a library stays silent."""

_RUN_OPTIONS = ort.RunOptions()
"""Shared by every run: without one, onnxruntime makes one a call, which takes 0.5 µs."""


class Session:
    """An onnxruntime session of one thread, with one or two inputs and at most two outputs.

    Raises ProviderError if it would not run where it was asked to.
    """

    def __init__(self, model: bytes, providers: Sequence[Provider]) -> None:
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
        self._session = session = _open(model, options, providers)
        names, used = provider_names(providers), session.get_providers()
        if used[: len(names)] != names:
            raise ProviderError(f"asked for {', '.join(names)}; onnxruntime uses {', '.join(used)}")
        self._input, *self._further = (entry.name for entry in session.get_inputs())
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

    def run_with(self, features: Float32, offset: Float32) -> list[Float32]:
        """`run` of a graph that has an offset (1, n) as its second input."""
        (second,) = self._further
        outputs: list[Float32] = self._inner.run(
            self._outputs, {self._input: features, second: offset}, _RUN_OPTIONS
        )
        return outputs

    def bind(
        self, features: Float32, *outputs: Float32, further: Sequence[Float32] = ()
    ) -> Callable[[], None]:
        """A function that runs the graph on the memory of `features`, and of its `further` inputs,
        and writes into `outputs`.

        All arrays are C-contiguous, in the shapes of the graph, and must outlive the function.
        """
        binding = self._session.io_binding()
        inputs = zip((self._input, *self._further), (features, *further), strict=True)
        for name, values in inputs:
            binding.bind_input(name, "cpu", 0, np.float32, values.shape, values.ctypes.data)
        for name, output in zip(self._outputs, outputs, strict=True):
            binding.bind_output(name, "cpu", 0, np.float32, output.shape, output.ctypes.data)
        run = self._inner.run_with_iobinding
        bound = binding if self._inner is self._session else binding._iobinding
        return partial(run, bound, _RUN_OPTIONS)


def _open(model: bytes, options: Any, providers: Sequence[Provider]) -> Any:
    """onnxruntime's own session. Raises ProviderError where a provider cannot be set up."""
    if list(providers) == [CPU]:
        return ort.InferenceSession(model, options, providers=[CPU])
    try:
        # Without enable_fallback=0 it prints what is wrong, and goes on with the CPU.
        return ort.InferenceSession(model, options, providers=list(providers), enable_fallback=0)
    except Exception as reason:  # onnxruntime's errors have no class in common
        raise ProviderError(
            f"onnxruntime cannot serve with {list(providers)!r:.300}: {reason!s:.300}"
        ) from reason


LOGITS_ONLY: Final = "logits only"
SIGMOID: Final = "sigmoid"
"""Names of sessions that hold only a part of the graph; ROWS and COLUMNS hold all of it."""


class Sessions(dict[str, Session]):
    """The sessions of one model by name, each opened when it is first asked for; with `offset`, its
    graphs of a logit take one."""

    def __init__(
        self, affine: Affine, providers: Sequence[Provider], *, offset: bool = False
    ) -> None:
        self._affine, self._providers, self._offset = affine, providers, offset

    def __missing__(self, name: str) -> Session:
        if name == SIGMOID:
            model = write_sigmoid()
        elif name == LOGITS_ONLY:
            model = write_linear(self._affine, offset=self._offset)
        else:
            model = write_graph(self._affine, name, offset=self._offset)
        # Where two threads come here at once, both open one and the first is kept.
        return self.setdefault(name, Session(model, self._providers))
