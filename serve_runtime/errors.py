"""What can go wrong while serving, as exceptions that callers may already catch.

Every error says what is required, what was got, and what to do.
"""


class ServeError(Exception):
    """Base of every error that this project raises on purpose."""


class CardError(ServeError, ValueError):
    """A model card is missing, altered, of an unknown version, or contradicts itself."""


class ArtifactError(ServeError, ValueError):
    """A model file or bundle is missing, truncated, altered, or was not written by export."""


class InputError(ServeError, ValueError):
    """The rows to be scored (or a table to be read) are not what the model needs."""


class NonFiniteError(InputError):
    """A value is missing or infinite; `row` counts from 0 in what was passed in."""

    def __init__(self, row: int, feature: str, value: float, where: str | None = None) -> None:
        self.row, self.feature, self.value = row, feature, value
        found = "missing (NaN)" if value != value else f"{value} as float32"
        super().__init__(
            f"{where or f'row {row}'}, feature {feature!r} is {found}; every value must be "
            "finite: drop the row or fill the value before scoring"
        )


class OutputError(ServeError, OSError):
    """A result cannot be put where it was asked for."""


class ProviderError(ServeError, RuntimeError):
    """onnxruntime does not offer, or did not use, the execution provider that was asked for."""


class SelfTestError(ServeError, RuntimeError):
    """This machine does not reproduce the card's golden rows inside their error budget."""


class MissingDependencyError(ServeError, ImportError):
    """A feature needs a library that is not installed; the message names the extra."""
