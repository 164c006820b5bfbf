"""The errors of training; like those of serve_runtime, each is a ValueError or RuntimeError too."""

from serve_runtime.errors import ServeError


class RecipeError(ServeError, ValueError):
    """A recipe, or an option that overrides it, asks for something that does not exist."""


class DataError(ServeError, ValueError):
    """The table cannot be trained on."""


class TrainError(ServeError, RuntimeError):
    """Training could not be done: no such device, or the cost left the finite numbers."""


class StoppedError(ServeError, RuntimeError):
    """A signal ended the training; its checkpoint is written."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class LostProcessError(ServeError, RuntimeError):
    """Another process of a training by several is gone, or cannot be reached."""


class RunError(ServeError, ValueError):
    """A run folder is missing, truncated, altered, or of an unknown version."""
