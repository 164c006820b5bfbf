"""Where bundles have been proven: releases of onnxruntime, operating systems, processors.

docs/parity.md has the tables. Elsewhere a Predictor serves too; its self-test tells whether the
promises hold there.
"""

from typing import Final

OLDEST_ONNXRUNTIME: Final = (1, 15)
"""An older one is refused."""

NEWEST_ONNXRUNTIME: Final = (1, 32)

PLATFORMS: Final = (("Linux", "x86_64"), ("Linux", "aarch64"))
"""Pairs of `platform.system()` and `platform.machine()`."""


def release(version: str) -> tuple[int, ...]:
    """Major and minor release of a version of onnxruntime, (1, 31) of "1.31.1"."""
    return tuple(map(int, version.split(".")[:2]))


def untried(version: str, system: str, machine: str) -> list[str]:
    """What of an onnxruntime and a platform bundles have not been proven on: texts, or none."""
    found = []
    if release(version) > NEWEST_ONNXRUNTIME:
        newest = ".".join(map(str, NEWEST_ONNXRUNTIME))
        found.append(f"onnxruntime {version} is newer than {newest}, the newest that was tried")
    if (system, machine) not in PLATFORMS:
        tried = ", ".join(" ".join(pair) for pair in PLATFORMS)
        found.append(f"{system} {machine} was not tried, only {tried}")
    return found
