"""Score tables with an exported logistic regression: light, embeddable, proven.

    from serve_runtime import Predictor
    Predictor("bundles/churn").predict_proba(x)

Importing this package loads neither onnxruntime nor numpy; the first use of Predictor does.
"""

from typing import TYPE_CHECKING, Any

from serve_runtime.card import GoldenRow, ModelCard
from serve_runtime.errors import (
    ArtifactError,
    CardError,
    InputError,
    MissingDependencyError,
    OutputError,
    ProviderError,
    SelfTestError,
    ServeError,
)

if TYPE_CHECKING:
    from serve_runtime.files import score_file
    from serve_runtime.predictor import Predictor, SelfTest

__all__ = [
    "ArtifactError",
    "CardError",
    "GoldenRow",
    "InputError",
    "MissingDependencyError",
    "ModelCard",
    "OutputError",
    "Predictor",
    "ProviderError",
    "SelfTest",
    "SelfTestError",
    "ServeError",
    "score_file",
]

_LAZY = {"Predictor": "predictor", "SelfTest": "predictor", "score_file": "files"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
