"""Where bundles have been proven: releases of onnxruntime, operating systems, processors.

docs/parity.md has the tables: every release on x86-64, the oldest and the newest on ARM64, which
was emulated. Elsewhere a Predictor serves too; its self-test tells whether the promises hold there.
"""

from typing import Final

OLDEST_ONNXRUNTIME: Final = (1, 15)
"""An older one is refused."""

NEWEST_ONNXRUNTIME: Final = (1, 32)

EVERY_RELEASE: Final = ("Linux", "x86_64")
ENDS_OF_RANGE: Final = ("Linux", "aarch64")
"""`platform.system()` and `platform.machine()`, where every release, and where the oldest and the
newest were tried."""


def release(version: str) -> tuple[int, ...]:
    """Major and minor release of a version of onnxruntime, (1, 31) of "1.31.1"."""
    return tuple(map(int, version.split(".")[:2]))


def untried(version: str, system: str, machine: str) -> list[str]:
    """What of an onnxruntime and a platform bundles have not been proven on: texts, or none."""
    found = []
    ends = OLDEST_ONNXRUNTIME, NEWEST_ONNXRUNTIME
    oldest, newest = (".".join(map(str, end)) for end in ends)
    if release(version) < OLDEST_ONNXRUNTIME:
        found.append(
            f"onnxruntime {version} is older than {oldest}, the oldest that is served with"
        )
    if release(version) > NEWEST_ONNXRUNTIME:
        found.append(f"onnxruntime {version} is newer than {newest}, the newest that was tried")
    if (system, machine) not in (EVERY_RELEASE, ENDS_OF_RANGE):
        tried = ", ".join(" ".join(pair) for pair in (EVERY_RELEASE, ENDS_OF_RANGE))
        found.append(f"{system} {machine} was not tried, only {tried}")
    elif (system, machine) == ENDS_OF_RANGE and ends[0] < release(version) < ends[1]:
        found.append(f"on {system} {machine} only onnxruntime {oldest} and {newest} were tried, "
                     f"not {version}")  # fmt: skip
    return found
