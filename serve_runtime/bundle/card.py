"""The model card: all that is needed to use the model correctly, in one JSON string.

It travels inside every artifact: under one key in an ONNX file's metadata, as an extra file in
the TorchScript and torch.export archives, and inside the training checkpoint. Standard library
only, so that anything can read it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from serve_runtime.bundle.sealed_json import digest, seal, unseal
from serve_runtime.errors import CardError
from serve_runtime.features.column import CATEGORY, Column, categories_of, is_finite
from serve_runtime.shown import listed, quoted

CARD_KEY = "serve_runtime.card"
"""The metadata key of an ONNX file, and the extra file's name in torch archives."""

FORMAT_VERSION = 2

WEIGHTS_PER_DEVIATION = "weights_per_standard_deviation"
"""The key, in `ModelCard.training` and in a run's metrics.json, of by how much the logit rises when
each feature rises by one standard deviation that it had in the training rows."""

MEANS = "means"
"""The key, in `ModelCard.training`, of the mean of each column that is a number in the training
rows, None of a category; absent in cards of earlier versions."""

Label = str | int | float | bool

MOST_GOLDEN_ROWS = 256
"""Export writes eight; the self-test, which scores each, is to take milliseconds."""

MOST_LABEL_CHARACTERS = 1000
"""numpy holds a label of each row in as much memory as the longest label takes."""


@dataclass(frozen=True)
class GoldenRow:
    """A row with the scores that export measured for it; synthetic, so it discloses nobody."""

    features: tuple[float | str | None, ...]
    """The raw values, in the order of the columns: a number that is exactly a float32 (a float64 in
    a precise column), a text in a category, None where the value is missing."""
    logit: float
    """The float32 logit that the row-major graph gave where the model was exported."""
    probability: float
    """The float32 probability P(positive) that it gave."""
    logit_bound: float
    """A-priori bound on |float32 logit - exact logit| for this row, whatever the machine."""


@dataclass(frozen=True)
class ModelCard:
    """What a model expects, what it answers, and where it comes from."""

    columns: tuple[Column, ...]
    """The columns that the model takes, in order."""
    classes: tuple[Label, Label]
    """The two labels: first the negative one, second the positive one. `label_type` knows one type
    that holds both."""
    weights_sha256: str
    """SHA-256 of the float32 weights, the bias, and what else the model holds, little-endian."""
    threshold: float = 0.5
    """The label is the positive one where probability >= threshold."""
    dialect: Mapping[str, Any] = field(default_factory=dict)
    """How the CSV was written that the model was trained on; empty for the usual one."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """How the model was trained: recipe, data_sha256, rows, holdout_rows, metrics,
    weights_per_standard_deviation and means (in the order of the features), versions."""
    graph_sha256: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each ONNX graph without its card, by layout; empty before export."""
    golden: tuple[GoldenRow, ...] = ()
    """Rows on which any machine can test itself; empty before export."""
    format_version: int = FORMAT_VERSION
    """Version of this format."""

    def __post_init__(self) -> None:
        columns, width = self.columns, len(self.columns)
        _require(width > 0, "columns is empty")
        _require(all(isinstance(c, Column) for c in columns), "a column is none")
        _require(len(set(self.feature_names)) == width, "two columns have the same name")
        _require(len(self.classes) == 2, f"classes has {len(self.classes)} labels, not 2")
        _require(all(isinstance(c, Label) for c in self.classes), "a class label is no scalar")
        _require(self.classes[0] != self.classes[1], "the two class labels are the same")
        _require(label_type(self.classes) is not None,
                 "no type holds both class labels exactly")  # fmt: skip
        _require(all(len(c) <= MOST_LABEL_CHARACTERS for c in self.classes if isinstance(c, str)),
                 f"a class label has more than {MOST_LABEL_CHARACTERS} characters")  # fmt: skip
        _require(is_finite(self.threshold) and 0 <= self.threshold <= 1, "threshold outside [0, 1]")
        _require(len(self.golden) <= MOST_GOLDEN_ROWS,
                 f"more than {MOST_GOLDEN_ROWS} golden rows")  # fmt: skip
        for row in self.golden:
            _require(len(row.features) == width, "a golden row does not match the columns")
            fits = all(map(_is_value, columns, row.features))
            scores = (row.logit, row.probability, row.logit_bound)
            _require(fits and all(map(is_finite, scores)), "a golden row is not finite")
            _require(0 <= row.probability <= 1, "a golden row has a probability outside [0, 1]")
            _require(row.logit_bound > 0, "a golden row has a bound that allows nothing")
        for name in ("dialect", "training", "graph_sha256"):
            _require(isinstance(getattr(self, name), Mapping), f"{name} is no mapping")
        _require(
            self.format_version == FORMAT_VERSION,
            f"format_version is {quoted(self.format_version)}",
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the columns that are categories, in order."""
        return tuple(column.name for column in categories_of(self.columns))

    @property
    def feature_min(self) -> tuple[Any, ...]:
        """Smallest value of each column in the training rows, None of a category."""
        return tuple(column.low for column in self.columns)

    @property
    def feature_max(self) -> tuple[Any, ...]:
        """Largest value of each column in the training rows, None of a category."""
        return tuple(column.high for column in self.columns)

    def to_json(self) -> str:
        """The card as sealed JSON: the same card always gives the same text."""
        return seal(self._document())

    def sha256(self) -> str:
        """The digest that the JSON carries: another one for every other weight, label, threshold
        or training."""
        return digest(self._document())

    @property
    def model_id(self) -> str:
        """The first 12 digits of `sha256`: short enough for a log or an HTTP answer."""
        return self.sha256()[:12]

    def _document(self) -> dict[str, Any]:
        document = {f.name: getattr(self, f.name) for f in fields(self)}
        document["columns"] = [column.to_document() for column in self.columns]
        document["golden"] = [vars(row) for row in self.golden]
        return document

    @classmethod
    def from_json(cls, text: str, *, where: str = "the model card") -> "ModelCard":
        """The card in `text`; `where` names its file in messages.

        Raises CardError when the text is not what `to_json` wrote: truncated, altered, of an
        unknown version, or contradicting itself.
        """
        document = unseal(text, what=where, version=FORMAT_VERSION, error=CardError)
        known = {f.name for f in fields(cls)}
        if document.keys() != known:
            odd = sorted(document.keys() ^ known)
            raise CardError(f"{where} lacks or adds fields: {listed(odd)}; export again")
        try:
            for name in ("columns", "classes"):
                if not isinstance(document[name], list):
                    raise CardError(f"{name} is no list")
            document["columns"] = tuple(map(Column.from_document, document["columns"]))
            document["classes"] = tuple(document["classes"])
            document["golden"] = tuple(
                GoldenRow(**{**row, "features": tuple(row["features"])})
                for row in document["golden"]
            )
            return cls(**document)
        except (TypeError, ValueError, KeyError, CardError) as reason:
            raise CardError(f"{where} is not usable: {reason}; export again") from None


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise CardError(f"model card: {problem}")


def label_type(labels: Iterable[object]) -> type[Label] | None:
    """The type that holds all `labels` exactly, so that whoever is given them can tell them apart:
    str, bool, int (of 64 bits) or float. None where there is none: texts or truths beside numbers,
    a whole number beyond 64 bits or, beside fractions, beyond float64's digits, NaN."""
    labels = list(labels)
    if all(isinstance(label, str) for label in labels):
        return str if all(map(is_unicode, labels)) else None
    if all(isinstance(label, bool) for label in labels):
        return bool
    if any(isinstance(label, str | bool) for label in labels):
        return None
    if all(isinstance(label, int) and -(2**63) <= label < 2**63 for label in labels):
        return int
    exact = all(is_finite(label) and float(label) == label for label in labels)
    return float if exact else None


def is_unicode(text: object) -> bool:
    """Whether it is a text without half a surrogate pair, which nothing can write."""
    if not isinstance(text, str):
        return False
    try:
        text.encode()  # 40 times faster than a look at each character
    except UnicodeEncodeError:
        return False
    return True


def _is_value(column: Column, value: object) -> bool:
    """Whether a golden row may have this value: None where a missing one is not refused."""
    if value is None:
        return column.missing != "error"
    return isinstance(value, str) if column.kind == CATEGORY else is_finite(value)
