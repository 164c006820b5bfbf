"""The installed version of serve-runtime."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """The version of the installed package; "(checkout)" if it runs from source, uninstalled."""
    try:
        return version("serve-runtime")
    except PackageNotFoundError:
        return "(checkout)"
