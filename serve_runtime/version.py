"""The version of this package."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """The version of this package."""
    try:
        return version("serve-runtime")
    except PackageNotFoundError:  # run from a checkout
        return "(checkout)"
