"""An artifact is one exported file; this module says what every format of one has to offer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Protocol, cast

import numpy.typing as npt

from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.encoding import Encoding

Scores = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Logits and probabilities, each (n,): float32, or float64 from a reference that has more digits
than anything exported."""

Score = Callable[[Any], Scores]
"""Scores rows: (n, d), which are C-contiguous float32, or RawRows of a model that encodes them."""


@dataclass(frozen=True)
class Scorer:
    """Something that scores, under the name that figures and messages give it."""

    name: str
    score: Score
    finite_only: bool = False
    """Whether it refuses NaN, infinities and terms that overflow, as a Predictor does."""
    wide: bool = False
    """Whether it is a reference that answers in float64; everything exported answers in float32."""


@dataclass(frozen=True)
class Artifact:
    """A file of a bundle, read once and opened by the library that is made for its format."""

    name: str
    """The file's name, without its folder."""
    card: str
    """The JSON text of the model card that the file carries."""
    affine: Affine
    """The weights, the bias and the centre that the file holds."""
    score: Score
    """Scores rows with the file."""
    encoding: Encoding | None
    """How the file encodes its columns; None where it takes plain numbers."""
    require_own_program: Callable[[], None]
    """Raises ArtifactError unless the file computes, operation by operation, what export writes
    for `affine`. Scores cannot show that: a program may go wrong on rows that nobody tried."""


class FormatCode(Protocol):
    """What the module of a format defines."""

    def build(self, affine: Affine, card: ModelCard, encoding: Encoding | None = None) -> bytes:
        """The whole content of the file, the card included."""
        ...

    def load(self, path: Path) -> Artifact:
        """Open a file that `build` wrote. Raises ArtifactError or CardError for any other."""
        ...


@dataclass(frozen=True)
class ArtifactFormat:
    """One format in which export writes the model."""

    file_name: str
    """Its file in a bundle."""
    code: str
    """Where its FormatCode is: "package.module", or "package.module:object"."""
    onnx_layout: str | None = None
    """ROWS or COLUMNS where it is an ONNX graph, which serve_runtime's Predictor reads."""

    def build(self, affine: Affine, card: ModelCard, encoding: Encoding | None = None) -> bytes:
        """The content of the file for a model with these values."""
        return self._code().build(affine, card, encoding)

    def load(self, folder: Path) -> Artifact:
        """Open this format's file in `folder`."""
        return self._code().load(folder / self.file_name)

    def _code(self) -> FormatCode:
        """Imported when first needed, since torch and onnx are slow to import, or not there."""
        return cast("FormatCode", resolve_name(self.code))
