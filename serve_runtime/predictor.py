"""Score rows with an exported model: onnxruntime and numpy, nothing else."""

import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from serve_runtime.arrays import Array, Float32, Float64
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.model_file import (
    ModelFile,
    absolute_path,
    file_state,
    parse_model,
    read_any,
)
from serve_runtime.container_limits import available_cpus
from serve_runtime.errors import ArtifactError, ClosedError
from serve_runtime.explanation.contributions import Contributions
from serve_runtime.inference.block_scorer import BOTH, LOGIT, PROBA, PROBABILITY
from serve_runtime.inference.call import Call
from serve_runtime.inference.engine import Engine
from serve_runtime.inference.onnxruntime_library import Provider, parse_providers
from serve_runtime.inference.served_model import ServedModel
from serve_runtime.inputs.batch_limits import LIMITS
from serve_runtime.inputs.recognise import to_probabilities
from serve_runtime.selftest import SelfTest, run_selftest
from serve_runtime.shown import listed

if TYPE_CHECKING:
    from serve_runtime.bundle.from_memory import ModelSource

_NDARRAY, _FLOAT32 = np.ndarray, np.dtype(np.float32)

_RELOADING = threading.RLock()
"""Held while a reload is under way. Reentrant, since a signal handler that arrives during a reload
may ask for one too."""

if hasattr(os, "register_at_fork"):  # a child must not inherit the lock of a reload in flight
    os.register_at_fork(
        before=_RELOADING.acquire,
        after_in_parent=_RELOADING.release,
        after_in_child=_RELOADING.release,
    )


class Predictor:
    """A model, ready to score.

    `model` is the path of a bundle folder or of a model.onnx alone; or a model in memory: the bytes
    of a model.onnx, a file open for reading bytes, which is read to its end, or a resource of a
    package (importlib.resources), a bundle or a model.onnx, in a zip file too. One thread unless
    `threads` says otherwise; "auto" is as many as this process may keep busy (its affinity, its
    container's CPU quota). `providers` are onnxruntime's execution providers, in order of
    preference, each a name or a pair of name and options; one that is unavailable, or that
    onnxruntime silently drops, raises ProviderError. `selftest` runs `selftest()` first, and so
    refuses a machine that scores outside the budget.

    It may be shared by many threads, used after a fork, and pickled, with the bytes of the model.

    Example:
        predictor = Predictor("bundles/churn", threads=2)
        predictor.probability([{"age": 41, "visits": 3}])
        packaged = Predictor(importlib.resources.files("my_package") / "churn")
        downloaded = Predictor(response.content)

    Every method takes `x`: a 2-D array-like (n, d) in feature order, or anything with named
    columns (dict of columns, list of dicts, pandas, polars, Arrow), matched by name; extra
    columns are ignored. One row that has names, one dict say, is a batch of one. Float32 rows are
    read where they lie, and so are long float32 columns on one thread; everything else is copied
    block by block. Where a method has `out`, the result is written to that array, which is
    returned; it should not overlap `x`. Raises InputError (a ValueError) when columns are missing,
    the width is wrong, a value is missing, text or not finite, or `x` is anything else that is no
    table; part of `out` may be written by then.

    A row scores to the same bits alone and in any batch of the same layout (rows, or columns:
    named ones and arrays in Fortran order); the layouts differ, each inside its error bound. Where
    the model has categories, gaps that it fills or precise numbers, all rows are scored as columns,
    and a row has the same bits in every kind of `x`; 2-D arrays of numbers have no place for
    categories, lists of rows do.
    """

    def __init__(
        self,
        model: "ModelSource",
        *,
        threads: int | Literal["auto"] = 1,
        providers: Sequence[Provider] = ("CPUExecutionProvider",),
        selftest: bool = False,
    ) -> None:
        if threads != "auto" and not (hasattr(threads, "__index__") and threads >= 1):
            raise ValueError(f"threads must be 1 or more, or 'auto'; got {threads}")
        self._threads, self._providers = threads, parse_providers(providers)
        self._path = absolute_path(model)
        self._file_state = file_state(self._path)  # before they are read: a later change shows
        self._model = self._open(read_any(model))
        self._name = self._path or self._model.files[0].path
        if selftest:
            self.selftest()

    def _open(self, files: tuple[ModelFile, ...]) -> ServedModel:
        threads = available_cpus() if self._threads == "auto" else self._threads
        affine, encoding = files[0].affine, files[0].encoding
        return ServedModel.of(files, Engine(affine, threads, self._providers, LIMITS, encoding))

    @property
    def card(self) -> ModelCard:
        """What the model expects, what it answers, and where it comes from."""
        return self._model.card

    @property
    def classes_(self) -> Array:
        """The labels (2,): the negative one, then the positive one."""
        return self._model.classes.copy()

    @property
    def feature_names_in_(self) -> Array:
        """Names of the features (d,), in order."""
        return np.array(self.card.feature_names, dtype=object)

    @property
    def n_features_in_(self) -> int:
        """Number of features, d."""
        return len(self.card.feature_names)

    @property
    def coef_(self) -> Float64:
        """Weights of the raw features, (1, d) float64: the very float32 values that are served.

        A model with categories or bent numbers has none (AttributeError), but tables of weights.
        """
        affine, encoding = self._model.files[0].affine, self._model.files[0].encoding
        weight = affine.weight if encoding is None else encoding.weights(affine)
        return weight.astype(np.float64)[None]

    @property
    def intercept_(self) -> Float64:
        """The logit where all features are 0, (1,) float64. A model with categories or bent numbers
        has none (AttributeError)."""
        affine, encoding = self._model.files[0].affine, self._model.files[0].encoding
        if encoding is None:
            return np.array([affine.intercept])
        return np.array([affine.intercept - encoding.moved(affine)])

    @property
    def model_id(self) -> str:
        """What tells this model from others, in 12 hexadecimal digits of the card's SHA-256."""
        return self.card.model_id

    def probability(self, x: Any, out: Float32 | None = None) -> Float32:
        """P(positive) of each row: (n,) float32 in [0, 1]."""
        return self._score(PROBABILITY, x, out)

    def decision_function(self, x: Any, out: Float32 | None = None) -> Float32:
        """The logit w·x + b of each row: (n,) float32."""
        return self._score(LOGIT, x, out)

    def predict_proba(self, x: Any, out: Float32 | None = None) -> Float32:
        """P(negative) and P(positive) of each row: (n, 2) float32.

        P(negative) is 1 / (1 + exp(logit)), not 1 - P(positive), so that it too is right in its
        tail; the two add up to 1 within rounding.
        """
        return self._score(PROBA, x, out)

    def predict(self, x: Any) -> Array:
        """The label of each row: (n,), the positive one where probability >= card.threshold."""
        here = self.snapshot()
        return here._model.labels(here.probability(x))

    def label(self, probability: Any) -> Array:
        """The label that belongs to each P(positive): (n,).

        Raises InputError unless all are numbers from 0 to 1.
        """
        return self._model.labels(to_probabilities(probability))

    def scores(self, x: Any) -> tuple[Float32, Float32]:
        """Logit and P(positive) of each row from one pass: two arrays (n,) float32."""
        logit, probability = self._score(BOTH, x, None)
        return logit, probability

    def contributions(self, x: Any) -> Contributions:
        """What each column adds to the logit of each row, beside the average training row."""
        model = self._model
        call = Call(model.engine, x, model.names, LIMITS, model.encoder)
        return Contributions(call.contributions(model.parts), model.parts.bias, model.names)

    def _score(self, kind: int, x: Any, out: Float32 | None) -> Float32:
        model = self._model
        if (
            type(x) is _NDARRAY
            and x.dtype is _FLOAT32
            and x.shape[1:] == model.row
            and x.flags.c_contiguous
            and out is None
            and (found := model.engine.score_array(x, kind)) is not None
        ):
            return found
        encoder = model.encoder
        if encoder is not None and out is None and (found := model.score_dict(x, kind)) is not None:
            return found
        return Call(model.engine, x, model.names, LIMITS, encoder).scores(kind, out)

    def selftest(self) -> SelfTest:
        """Check that this machine scores the model as promised; takes some milliseconds.

        Golden rows and thousands of consecutive logits inside their budget, the same bits alone and
        in batches, rows with NaN, infinities and overflow refused, in both layouts. Raises
        SelfTestError naming what is wrong, and what to do.
        """
        return run_selftest(self._model)

    def reload(self, model: "ModelSource | None" = None) -> bool:
        """Serve what the bundle holds now, or another `model` of any kind that can be opened; True
        where it is a new one.

        Calls in flight end with the model that they began with. The new one is opened and passes
        its self-test first; where it does not, the error is raised and the old one serves on.
        Raises ArtifactError too where it takes other features or answers other classes, so that
        callers would pass it the wrong values; and where no `model` is given, but the one that is
        served was read from memory. A bundle that is replaced meanwhile is read again; one whose
        files are changed one by one may raise ArtifactError: call reload again. Where no file was
        touched since the last time, that is seen without reading them, in some 20 µs.
        """
        with _RELOADING:
            old, served = self._model, self._model.files
            path = self._path if model is None else absolute_path(model)
            if model is None and path is None:
                raise ArtifactError(
                    f"the model was read from memory ({self._name}), there is no file to read "
                    "again: pass the new model, reload(model)"
                )
            state = file_state(path)
            if path == self._path and state is not None and state == self._file_state:
                return False
            files = read_any(path if model is None else model)
            where = path or files[0].path, path, state
            if [file.content for file in files] == [file.content for file in served]:
                if self._model is old:  # no signal's handler reloaded or closed it meanwhile
                    self._name, self._path, self._file_state = where
                return False
            for what in ("feature_names", "categories", "classes"):
                now, then = (getattr(card, what) for card in (files[0].card, old.card))
                if repr(now) != repr(then):  # since 1, True and 1.0 are equal
                    raise ArtifactError(
                        f"{where[0]} has other {what} ({listed(now, 5)}) than the model that is "
                        f"served ({listed(then, 5)}): open it with a Predictor of its own"
                    )
            new = self._open(files)
            run_selftest(new)
            if self._model is not old:  # a signal's handler closed or reloaded it
                return False
            self._name, self._path, self._file_state = where
            self._model = new
            return True

    def snapshot(self) -> "Predictor":
        """A Predictor of the model as it is now, which a later `reload` here does not change:
        take one where several calls have to see the same model."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def close(self) -> None:
        """Release the model. Calls that have begun end normally, later ones raise ClosedError."""
        with _RELOADING:  # which would open it again
            self._model = _CLOSED

    def __enter__(self) -> "Predictor":
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        files = [(file.path, file.content) for file in self._model.files]
        return {**self.__dict__, "_model": files, "_file_state": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        cards: dict[str, ModelCard] = {}
        self._model = self._open(tuple(parse_model(p, c, cards) for p, c in state["_model"]))

    def __repr__(self) -> str:
        if self._model is _CLOSED:
            return f"<Predictor {self._name!r}, closed>"
        return f"<Predictor {self._name!r}: {self.n_features_in_} features, {self.classes_}>"


class _Closed:
    def __getattr__(self, name: str) -> Any:
        raise ClosedError("this Predictor is closed: open the model with a new one")


_CLOSED: Any = _Closed()
