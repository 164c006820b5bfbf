"""What can go wrong while exporting; serve_runtime.errors says why each has two bases."""

from serve_runtime.errors import ServeError


class ParityError(ServeError, RuntimeError):
    """An artifact does not score like the model; nothing is published."""


class BundleError(ServeError, ValueError):
    """The files of a bundle disagree with one another."""
