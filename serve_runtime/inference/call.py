"""One call of a Predictor that takes more than plain float32 rows."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from serve_runtime.arrays import Float32
from serve_runtime.errors import InputError, RowError
from serve_runtime.explanation.contributions import LogitParts
from serve_runtime.inference.block_scorer import BOTH, PROBA, Outputs
from serve_runtime.inference.engine import Engine
from serve_runtime.inputs.batch_limits import Limits
from serve_runtime.inputs.blocks import BatchInput
from serve_runtime.inputs.recognise import to_batches
from serve_runtime.inputs.refusals import type_name

if TYPE_CHECKING:
    from serve_runtime.inputs.encoded import Encoder

_FLOAT32: Final = np.dtype(np.float32)


class Call:
    """Rows `x` of any kind, with the features `names`, which `encoder` encodes if there is one, and
    the engine that scores them.

    Raises InputError where `x` cannot be such rows.
    """

    def __init__(
        self,
        engine: Engine,
        x: Any,
        names: Sequence[str],
        limits: Limits,
        encoder: "Encoder | None" = None,
    ) -> None:
        self._engine, self._width = engine, len(names)
        self._rows, self._batches = to_batches(x, names, limits, encoder)

    def scores(self, kind: int, out: Float32 | None) -> Float32:
        """The scores of all rows, in `out` or a new array: LOGIT or PROBABILITY (n,), PROBA (n, 2),
        or BOTH (2, n), which is always new.

        Raises RowError for the first row that cannot be scored.
        """
        if kind == BOTH:
            both = np.empty((2, self._rows), np.float32)
            self._score(Outputs(both[0], both[1]))
            return both
        result = self._result(out, (self._rows, 2) if kind == PROBA else (self._rows,))
        wanted: list[Float32 | None] = [None, None, None]
        wanted[kind] = result
        self._score(Outputs(*wanted))
        return result if out is None else out

    def _result(self, out: Float32 | None, shape: tuple[int, ...]) -> Float32:
        """A new array, or the memory of `out`. InputError unless it can be written to."""
        if out is None:
            return np.empty(shape, np.float32)
        if not issubclass(type(out), np.ndarray):
            got = f"a {type_name(out)}"
        else:
            array = np.asarray(out)  # of a subclass, the memory alone
            if array.dtype == _FLOAT32 and array.shape == shape and array.flags.writeable:
                return array
            got = f"{array.dtype} {array.shape}" + ", read-only" * (not array.flags.writeable)
        raise InputError(f"out must be a writable float32 array of shape {shape}; got {got}")

    def contributions(self, parts: LogitParts) -> Float32:
        """What the columns add to the logit of all rows: (n, d), as a new array. Raises RowError
        as `scores` does."""
        values = np.empty((self._rows, self._width), np.float32)
        self._score(Outputs(), lambda batch, start: parts.write(batch, values[start:]))
        return values

    def _score(
        self, outputs: Outputs, then: Callable[[BatchInput, int], None] | None = None
    ) -> None:
        """Score all rows into `outputs`, and call `then` with each batch and its first row."""
        start = 0
        try:
            for batch in self._batches:
                stop = start + batch.rows
                part = Outputs(*(None if given is None else given[start:stop] for given in outputs))
                self._engine.score(batch, part)
                if then is not None:
                    then(batch, start)
                start = stop
        except RowError as reason:
            if not start:
                raise
            raise reason.at(start + reason.row, f"row {start + reason.row}") from None
