"""Score rows with an exported model: onnxruntime and numpy, nothing else."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serve_runtime.artifact import COLUMNS, ROWS, ModelFile, read_models
from serve_runtime.budgets import (
    PROBABILITY_ULP,
    Float32,
    probability_error,
)
from serve_runtime.card import ModelCard
from serve_runtime.errors import (
    ArtifactError,
    ProviderError,
    RuntimeVersionError,
    SelfTestError,
)
from serve_runtime.inputs import reject_non_finite, reject_overflow, to_block

# Official onnxruntime wheels since 1.29 send usage telemetry unless this is set before the
# library is loaded (its Privacy.md). An embedded predictor must not phone home; a host program
# that has decided otherwise keeps its decision.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort

if os.environ["ORT_DISABLE_TELEMETRY"] == "1":
    ort.disable_telemetry_events()  # the variable came too late if the host had loaded it already

_ROW_MULTIPLE = 4
"""In the rows graph a row's bits are the same in every batch that is a multiple of this, so other
batches are filled up with zero rows."""

_INPUT = {ROWS: "features", COLUMNS: "columns"}

_OLDEST_ONNXRUNTIME = (1, 15)
"""The oldest on which bundles are proven (docs/parity.md)."""

_LOG_FATAL = 4
"""onnxruntime logs to stderr what it also raises; a library stays silent."""


@dataclass(frozen=True)
class SelfTest:
    """How far this machine is from the golden rows."""

    rows: int
    logit_share: float
    """Largest share of a row's logit budget; 1 is the limit."""
    probability_ulp: float
    """Largest distance between a probability and the exact sigmoid of its logit."""
    identical: bool | None
    """Whether the rows graph gives the very bits that export measured with it; None where it is
    not there. Other bits inside the budget are no fault: another processor sums otherwise."""


class Predictor:
    """A model, ready to score.

    `model` is a bundle folder or a model.onnx alone. One thread unless `threads` says otherwise.
    `providers` are onnxruntime's execution providers, in order of preference; one that is
    unavailable, or that onnxruntime silently drops, raises ProviderError. `selftest` runs
    `selftest()` first, and so refuses a machine that scores outside the budget. A Predictor may
    be shared by many threads.

    Every method takes `x`: a 2-D array-like (n, d) in feature order, or anything with named
    columns (dict of columns, list of dicts, pandas, polars, Arrow), matched by name; extra
    columns are ignored. Values are converted to float32, which copies unless they are float32
    rows already. Raises InputError (a ValueError) when columns are missing, the width is wrong,
    or a value is missing, text or not finite.

    A row scores to the same bits alone and in any batch of the same layout (rows or named
    columns); the layouts differ, each inside its error bound.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        threads: int = 1,
        providers: Sequence[str] = ("CPUExecutionProvider",),
        selftest: bool = False,
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads must be 1 or more; got {threads}")
        models = read_models(Path(model))
        self.card: ModelCard = models[0].card
        self._sessions = {m.layout: _session(m, threads, providers) for m in models}
        self._threshold = np.float32(self.card.threshold)
        if selftest:
            self.selftest()

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """The labels (2,): the negative one, then the positive one."""
        return np.array(self.card.classes)

    @property
    def feature_names_in_(self) -> npt.NDArray[Any]:
        """Names of the features (d,), in order."""
        return np.array(self.card.feature_names, dtype=object)

    @property
    def n_features_in_(self) -> int:
        """Number of features, d."""
        return len(self.card.feature_names)

    def probability(self, x: Any) -> Float32:
        """P(positive) of each row: (n,) float32 in [0, 1]."""
        return self.scores(x)[1]

    def decision_function(self, x: Any) -> Float32:
        """The logit w·x + b of each row: (n,) float32."""
        return self.scores(x)[0]

    def predict_proba(self, x: Any) -> Float32:
        """P(negative) and P(positive) of each row: (n, 2) float32.

        P(negative) is 1 / (1 + exp(logit)), not 1 - P(positive), so that it too is right in its
        tail; the two add up to 1 within rounding. It is computed in float64: numpy's float32 exp
        is not monotone.
        """
        logit, probability = self.scores(x)
        result = np.empty((len(logit), 2), np.float32)
        with np.errstate(over="ignore", under="ignore"):  # where a probability rounds to 0
            result[:, 0] = 1 / (1 + np.exp(logit, dtype=np.float64))
        result[:, 1] = probability
        return result

    def predict(self, x: Any) -> npt.NDArray[Any]:
        """The label of each row: (n,), the positive one where probability >= card.threshold."""
        return self.label(self.probability(x))

    def label(self, probability: Float32) -> npt.NDArray[Any]:
        """The label that belongs to each P(positive): (n,)."""
        return self.classes_[(probability >= self._threshold).astype(np.intp)]

    def scores(self, x: Any) -> tuple[Float32, Float32]:
        """Logit and P(positive) of each row from one pass: two arrays (n,) float32."""
        names = self.card.feature_names
        block, layout = to_block(x, names)
        logit, probability = self._run(block, layout)
        # NaN and infinities always reach the logit (0·inf is NaN), so n values tell of n·d.
        if not np.isfinite(logit).all():
            reject_non_finite(block, layout, names)
            reject_overflow(logit)
        return logit, probability

    def selftest(self) -> SelfTest:
        """Score the card's golden rows on this machine in every layout there is.

        Both machines are within the a-priori bound of the exact logit, so two bounds are allowed
        between them. Raises SelfTestError naming the row and the figure outside the budget.
        """
        golden = self.card.golden
        if not golden:
            raise SelfTestError("the card has no golden rows: export the run again")
        rows = np.array([row.features for row in golden], np.float32)
        expected = np.array([[row.logit, row.probability] for row in golden], np.float32).T
        allowed = 2 * np.array([row.logit_bound for row in golden])
        if not (probability_error(expected[1], expected[0]) <= PROBABILITY_ULP).all():
            raise SelfTestError("a golden row contradicts itself: its probability is not the "
                                "sigmoid of its logit; export the run again")  # fmt: skip
        shares, ulps, identical = [0.0], [0.0], None
        for layout in self._sessions:
            block = rows if layout == ROWS else np.ascontiguousarray(rows.T)
            logit, probability = self._run(block, layout)
            share = np.abs(logit.astype(np.float64) - expected[0]) / allowed
            ulp = probability_error(probability, logit)
            for row, (s, u) in enumerate(zip(share, ulp, strict=True)):
                if not (s <= 1 and u <= PROBABILITY_ULP):
                    raise SelfTestError(
                        f"golden row {row}, {layout} layout: logit {logit[row]!r}, expected "
                        f"{expected[0, row]!r} ± {allowed[row]:.3g}; probability off by {u:.3g} "
                        f"ULP, allowed {PROBABILITY_ULP:g}: do not serve this model on this machine"
                    )
            shares.append(float(share.max()))
            ulps.append(float(ulp.max()))
            if layout == ROWS:
                identical = np.array_equal(_bits(np.stack((logit, probability))), _bits(expected))
        return SelfTest(len(golden), max(shares), max(ulps), identical)

    def _run(self, block: Float32, layout: str) -> tuple[Float32, Float32]:
        """Logits and probabilities (n,) of a block, through the graph that reads its layout."""
        if layout not in self._sessions:  # a model file alone has one graph
            (layout,) = self._sessions
            block = np.ascontiguousarray(block.T)
        session = self._sessions[layout]
        if layout == COLUMNS:
            return _flat(session.run(None, {"columns": block}))
        whole = len(block) - len(block) % _ROW_MULTIPLE
        if whole == len(block):
            return _flat(session.run(None, {"features": block}))
        last = np.zeros((_ROW_MULTIPLE, block.shape[1]), np.float32)
        last[: len(block) - whole] = block[whole:]
        logit, probability = _flat(session.run(None, {"features": last}))
        logit, probability = logit[: len(block) - whole], probability[: len(block) - whole]
        if whole:
            head = _flat(session.run(None, {"features": block[:whole]}))
            logit = np.concatenate((head[0], logit))
            probability = np.concatenate((head[1], probability))
        return logit, probability


def _bits(scores: Float32) -> npt.NDArray[np.uint32]:
    return np.ascontiguousarray(scores).view(np.uint32)


def _flat(outputs: Sequence[Any]) -> tuple[Float32, Float32]:
    logit, probability = outputs
    return logit.reshape(-1), probability.reshape(-1)


def _session(model: ModelFile, threads: int, providers: Sequence[str]) -> Any:
    """An onnxruntime session that runs where it was asked to, and takes what the card says."""
    if isinstance(providers, str):
        raise ProviderError(f"providers must be a sequence of names; got the text {providers!r}")
    available = ort.get_available_providers()
    absent = [name for name in providers if name not in available]
    if absent or not providers:
        raise ProviderError(
            f"execution provider {', '.join(absent) or '(none given)'} is not available; this "
            f"onnxruntime {ort.__version__} offers {', '.join(available)}"
        )
    if tuple(map(int, ort.__version__.split(".")[:2])) < _OLDEST_ONNXRUNTIME:
        raise RuntimeVersionError(
            f"{model.path} needs onnxruntime {'.'.join(map(str, _OLDEST_ONNXRUNTIME))} or later; "
            f"this is {ort.__version__}: pip install --upgrade onnxruntime"
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _LOG_FATAL
    try:
        session = ort.InferenceSession(model.content, options, providers=list(providers))
    except Exception as reason:  # onnxruntime's exceptions share no narrower base
        raise ArtifactError(
            f"onnxruntime {ort.__version__} cannot load {model.path}: {reason}"
        ) from None
    used = session.get_providers()
    if used[: len(providers)] != list(providers):
        raise ProviderError(f"asked for {', '.join(providers)}; onnxruntime uses {', '.join(used)}")
    width = len(model.card.feature_names)
    taken, *others = session.get_inputs()
    answers = [answer.name for answer in session.get_outputs()]
    if others or taken.name != _INPUT[model.layout] or answers != ["logit", "probability"]:
        raise ArtifactError(
            f"{model.path} must take {_INPUT[model.layout]} and answer logit, probability; "
            f"it takes {taken.name} and answers {', '.join(answers)}"
        )
    if taken.shape[1 if model.layout == ROWS else 0] != width:
        raise ArtifactError(
            f"{model.path}: the card names {width} features, the graph takes {taken.shape}"
        )
    return session
