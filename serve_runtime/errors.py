"""The errors that this package raises on purpose.

    ServeError
    ├── CardError               ValueError    the model card is missing or invalid
    ├── ArtifactError           ValueError    a model file or bundle is missing or altered
    ├── InputError              ValueError    the input is not what the model needs
    │   └── RowError                          one row cannot be scored
    │       ├── NonFiniteError                a value is missing or infinite
    │       ├── LevelError                    a category is missing, or unknown to the model
    │       └── LogitOverflowError            the row's weighted sum overflows float32
    ├── ClosedError             ValueError    the Predictor was closed
    ├── OutputError             OSError       the output cannot be written
    ├── ProviderError           RuntimeError  onnxruntime lacks the execution provider
    ├── RuntimeVersionError     RuntimeError  onnxruntime is too old
    ├── SelfTestError           RuntimeError  this machine does not score as promised
    └── MissingDependencyError  ImportError   a library is not installed

The middle column is the built-in exception that each is, too, so that code which catches that one
works. Every message says what is required, what was found, and what to do. A command that ends
with one of them exits with the class's `exit_code`.
"""

from copy import copy

from serve_runtime.shown import message, quoted


class ServeError(Exception):
    """The base class of all errors that this package raises on purpose.

    Its text can be shown on a terminal and written to a log whatever the file held that it quotes:
    characters that do not print are escaped, and it has a few lines at most.
    """

    exit_code: int = 1
    """Exit code of a command that fails with this error."""

    def __str__(self) -> str:
        return message(super().__str__())


class CardError(ServeError, ValueError):
    """A model card is missing, was altered, has an unknown version, or contradicts itself."""


class ArtifactError(ServeError, ValueError):
    """A model file or bundle is missing, cut short, altered, or was not written by export."""


class InputError(ServeError, ValueError):
    """The rows to be scored, or a table to be read, are not what the model needs."""


class RowError(InputError):
    """One row cannot be scored. `row` is its number, from 0, in the input that was passed in."""

    def __init__(self, row: int, problem: str, where: str | None = None) -> None:
        super().__init__(row, problem, where)  # pickle calls the class with these arguments
        self.row, self._problem, self._where = row, problem, where or f"row {row}"

    def __str__(self) -> str:
        return message(self._where + self._problem)

    def at(self, row: int, where: str) -> "RowError":
        """The same error with another row number, and `where`, "in.csv: data row 3", as its place.

        For callers that score a part of their rows at a time and know the number among all rows.
        """
        found = copy(self)
        found.args = (row, *self.args[1:-1], where)
        found.row, found._where = row, where
        return found


class NonFiniteError(RowError):
    """A value is missing or infinite. `feature` is its column, `value` what was found.

    `may_miss` tells that the model could have been trained to take missing values there.
    """

    def __init__(
        self,
        row: int,
        feature: str,
        value: float,
        where: str | None = None,
        *,
        may_miss: bool = False,
    ) -> None:
        found = "missing (NaN)" if value != value else f"{value} as float32"
        advice = (
            "the model was trained to refuse that: fill the value before scoring, or train with "
            'columns.missing = "median"'
            if may_miss and value != value
            else "every value must be finite: drop the row or fill the value before scoring"
        )
        super().__init__(row, f", feature {quoted(feature)} is {found}; {advice}", where)
        self.args = (row, feature, value, where)
        self.feature, self.value = feature, value


class LevelError(RowError):
    """A category is missing, or has a level that training did not see, in a column that refuses it.
    `feature` is its column, `value` the level's text, None where it is missing."""

    def __init__(self, row: int, feature: str, value: str | None, where: str | None = None) -> None:
        problem = (
            f", feature {quoted(feature)} is missing; the model was trained to refuse that: fill "
            'the value before scoring, or train with columns.missing = "unknown"'
            if value is None
            else f", feature {quoted(feature)} has the level {quoted(value)}, which training did "
            "not see; the model was trained to refuse that: map it to a known level, or train with "
            'columns.unknown = "average"'
        )
        super().__init__(row, problem, where)
        self.args = (row, feature, value, where)
        self.feature, self.value = feature, value


class LogitOverflowError(RowError):
    """All values of a row are finite, but weight times value overflows float32, or the logit is as
    large as float32 can be."""

    def __init__(self, row: int, where: str | None = None) -> None:
        problem = (
            " is so large that its weighted terms overflow float32: check the units of its features"
        )
        super().__init__(row, problem, where)
        self.args = (row, where)


class OutputError(ServeError, OSError):
    """The output cannot be written where it was asked for."""


class ProviderError(ServeError, RuntimeError):
    """The execution provider that was asked for is not available, or onnxruntime did not use it."""


class RuntimeVersionError(ServeError, RuntimeError):
    """The installed onnxruntime is older than the oldest one that exported models are proven on."""


class ClosedError(ServeError, ValueError):
    """A Predictor was used after `close`."""


class SelfTestError(ServeError, RuntimeError):
    """This machine does not score as promised: the message says what the self-test found."""


class MissingDependencyError(ServeError, ImportError):
    """A library is needed that is not installed; the message says what to install."""
