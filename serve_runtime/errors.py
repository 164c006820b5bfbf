"""What can go wrong while serving, as exceptions that callers may already catch.

Every error says what is required, what was got, and what to do.
"""

from typing import Any


class ServeError(Exception):
    """Base of every error that this project raises on purpose."""

    exit_code: int = 1
    """What a command that fails with it exits with."""


class CardError(ServeError, ValueError):
    """A model card is missing, altered, of an unknown version, or contradicts itself."""


class ArtifactError(ServeError, ValueError):
    """A model file or bundle is missing, truncated, altered, or was not written by export."""


class InputError(ServeError, ValueError):
    """The rows to be scored (or a table to be read) are not what the model needs."""


class RowError(InputError):
    """One row cannot be scored; `row` counts from 0 in what was passed in."""

    def __init__(self, row: int, problem: str, where: str | None = None) -> None:
        super().__init__(row, problem, where)  # the arguments, so that it can be pickled
        self.row, self._problem, self._where = row, problem, where or f"row {row}"

    def __str__(self) -> str:
        return self._where + self._problem

    def at(self, row: int, where: str) -> "RowError":
        """The same error with the row's number and place in a larger whole."""
        arguments: tuple[Any, ...] = (row, *self.args[1:-1], where)
        return type(self)(*arguments)


class NonFiniteError(RowError):
    """A value is missing or infinite."""

    def __init__(self, row: int, feature: str, value: float, where: str | None = None) -> None:
        found = "missing (NaN)" if value != value else f"{value} as float32"
        problem = (
            f", feature {feature!r} is {found}; every value must be finite: "
            "drop the row or fill the value before scoring"
        )
        super().__init__(row, problem, where)
        self.args = (row, feature, value, where)
        self.feature, self.value = feature, value


class LogitOverflowError(RowError):
    """The weighted terms of a row of finite values overflow float32."""

    def __init__(self, row: int, where: str | None = None) -> None:
        problem = (
            " is so large that its weighted terms overflow float32: check the units of its features"
        )
        super().__init__(row, problem, where)
        self.args = (row, where)


class OutputError(ServeError, OSError):
    """A result cannot be put where it was asked for."""


class ProviderError(ServeError, RuntimeError):
    """onnxruntime does not offer, or did not use, the execution provider that was asked for."""


class RuntimeVersionError(ServeError, RuntimeError):
    """The installed onnxruntime is older than any on which the exported graphs are proven."""


class ClosedError(ServeError, ValueError):
    """A Predictor is used after `close`."""


class SelfTestError(ServeError, RuntimeError):
    """This machine does not reproduce the card's golden rows inside their error budget."""


class MissingDependencyError(ServeError, ImportError):
    """A feature needs a library that is not installed; the message names the extra."""
