"""Score tables with an exported logistic regression: light, embeddable, proven.

    from serve_runtime import Predictor
    Predictor("bundles/churn").predict_proba(x)

Importing this package loads neither onnxruntime nor numpy; the first use of Predictor does.
"""

TYPE_CHECKING = False  # typing's constant costs the import of typing
if TYPE_CHECKING:
    from typing import Any

    from serve_runtime.bundle.card import GoldenRow, ModelCard
    from serve_runtime.errors import (
        ArtifactError,
        CardError,
        ClosedError,
        InputError,
        LevelError,
        LogitOverflowError,
        MissingDependencyError,
        NonFiniteError,
        OutputError,
        ProviderError,
        RowError,
        RuntimeVersionError,
        SelfTestError,
        ServeError,
    )
    from serve_runtime.explanation.contributions import Contributions
    from serve_runtime.predictor import Predictor
    from serve_runtime.scoring.batches import score_batches
    from serve_runtime.scoring.score_file import score_file
    from serve_runtime.selftest import SelfTest

__all__ = [
    "ArtifactError",
    "CardError",
    "ClosedError",
    "Contributions",
    "GoldenRow",
    "InputError",
    "LevelError",
    "LogitOverflowError",
    "MissingDependencyError",
    "ModelCard",
    "NonFiniteError",
    "OutputError",
    "Predictor",
    "ProviderError",
    "RowError",
    "RuntimeVersionError",
    "SelfTest",
    "SelfTestError",
    "ServeError",
    "score_batches",
    "score_file",
]

_HOME = {
    "Contributions": "explanation.contributions",
    "GoldenRow": "bundle.card",
    "ModelCard": "bundle.card",
    "Predictor": "predictor",
    "SelfTest": "selftest",
    "score_batches": "scoring.batches",
    "score_file": "scoring.score_file",
}
"""The module of each public name; those not listed are in `errors`."""


def __getattr__(name: str) -> "Any":
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
