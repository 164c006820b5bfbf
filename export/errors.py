"""What can go wrong while exporting; bases as in serve_runtime.errors."""

from serve_runtime.errors import ServeError


class ParityError(ServeError, RuntimeError):
    """An artifact does not score like the model; nothing is published."""


class BundleError(ServeError, ValueError):
    """The files of a bundle disagree with one another."""
