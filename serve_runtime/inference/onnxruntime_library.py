"""onnxruntime itself: imported without its telemetry, its version, and where it can run.

Importing this module raises MissingDependencyError if onnxruntime is not installed.
"""

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Final

from serve_runtime.errors import MissingDependencyError, ProviderError, RuntimeVersionError
from serve_runtime.inference.tried import OLDEST_ONNXRUNTIME, release
from serve_runtime.shown import listed, quoted

_REMEDY: Final = (
    "pip install onnxruntime, or instead of it the build for your device, such as "
    "onnxruntime-gpu; never two builds, since they overwrite one another's files"
)

# Official onnxruntime wheels since 1.29 send usage telemetry unless this is set before the
# library is loaded (its Privacy.md). An embedded predictor must not phone home; a host program
# that has decided otherwise keeps its decision.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
try:
    import onnxruntime as ort
except ModuleNotFoundError as reason:
    if reason.name != "onnxruntime":
        raise
    raise MissingDependencyError(
        f"scoring needs onnxruntime, which is not installed: {_REMEDY}"
    ) from None
if not hasattr(ort, "InferenceSession"):  # a folder without an __init__.py, say
    raise MissingDependencyError(
        "onnxruntime is damaged, it has no InferenceSession: where there were two builds of it, "
        "removing one takes files of the other. Uninstall every build that `pip list` shows, then "
        f"{_REMEDY}"
    )

if os.environ["ORT_DISABLE_TELEMETRY"] == "1":
    ort.disable_telemetry_events()  # the variable came too late if the host had loaded it already

CPU: Final = "CPUExecutionProvider"

Provider = str | tuple[str, Mapping[str, Any]]
"""An execution provider of onnxruntime: its name, or its name and options, as onnxruntime takes
them."""

__all__ = [
    "CPU",
    "Provider",
    "check_providers",
    "onnxruntime_version",
    "ort",
    "parse_providers",
    "provider_names",
]


def onnxruntime_version() -> str:
    """Of the onnxruntime that is loaded."""
    return str(ort.__version__)


def parse_providers(providers: Any) -> tuple[Provider, ...]:
    """What a caller passes as `providers`, copied. Raises ProviderError where that is none.

    Options are copied as texts, which onnxruntime makes of them too.
    """
    if isinstance(providers, str | Mapping | Set) or not isinstance(providers, Iterable):
        raise ProviderError(
            f"providers must be a sequence of names, or of pairs of name and options; got the "
            f"{type(providers).__name__} {quoted(providers)}"
        )
    parsed = tuple(map(_parse_provider, providers))
    names = provider_names(parsed)
    if len(set(names)) != len(names):
        raise ProviderError(f"each provider must be named once; got {listed(names)}")
    return parsed


def _parse_provider(provider: Any) -> Provider:
    if isinstance(provider, str):
        return provider
    if isinstance(provider, tuple | list) and len(provider) == 2:
        name, options = provider
        if isinstance(name, str) and isinstance(options, Mapping):
            return name, {str(key): str(value) for key, value in options.items()}
    raise ProviderError(
        'each provider must be a name or a pair of name and options, such as providers=[("CUDAExec'
        f'utionProvider", {{"device_id": 0}}), "CPUExecutionProvider"]; got {quoted(provider)}'
    )


def provider_names(providers: Sequence[Provider]) -> list[str]:
    """The names of `providers`, without their options."""
    return [given if isinstance(given, str) else given[0] for given in providers]


def check_providers(providers: Sequence[Provider]) -> None:
    """Raise RuntimeVersionError where this onnxruntime is too old to be proven, ProviderError where
    it lacks one of `providers`."""
    if release(onnxruntime_version()) < OLDEST_ONNXRUNTIME:
        raise RuntimeVersionError(
            f"serve-runtime needs onnxruntime {'.'.join(map(str, OLDEST_ONNXRUNTIME))} or later; "
            f"this is {onnxruntime_version()}: pip install --upgrade onnxruntime"
        )
    available = ort.get_available_providers()
    absent = [name for name in provider_names(providers) if name not in available]
    if absent or not providers:
        raise ProviderError(
            f"execution provider {listed(absent) or '(none given)'} is not available; this "
            f"onnxruntime {onnxruntime_version()} offers {', '.join(available)}"
        )
