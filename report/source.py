"""What a report is made of: a run folder, and the bundle that was exported from it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from serve_runtime.bundle.card import ModelCard
from train.persistence.run_folder import Sample
from train.trained import Trained


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class BundleParts:
    """What a report tells of a bundle."""

    folder: Path
    certificate: Mapping[str, Any]
    """parity.json."""
    files: Mapping[str, int]
    """Sizes in bytes."""
    problem: str = ""
    """What does not match, in words; empty where all files are those of the certificate."""


@dataclass(frozen=True, eq=False)
class Source:
    """A run, as its folder tells of it."""

    folder: Path
    metrics: Mapping[str, Any]
    """metrics.json."""
    history: Sequence[Mapping[str, float]]
    """The lines of history.csv."""
    recipe: Mapping[str, Any]
    """As recipe.toml, with files named, not located."""
    card: ModelCard
    trained: Trained
    sample: Sample
    """Some raw rows."""
    profile: Mapping[str, Any] | None = None
    """profile.json; None in runs from before there was one."""
    bundle: BundleParts | None = None

    @cached_property
    def column_profiles(self) -> Mapping[str, Mapping[str, Any]]:
        """What profile.json says of each column, by name."""
        return {found["name"]: found for found in (self.profile or {}).get("columns", ())}


def finite(value: Any) -> float | None:
    """A figure of metrics.json; None where there is none, or none that means anything."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
