"""How the columns of a table's files are read: which as numbers, as texts, or as times."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from serve_runtime.tables.dialect import PLAIN, Dialect
from train.tables.columns.vocabulary import Vocabulary


@dataclass(frozen=True)
class Reading:
    """How the features are read: in which order, and as what."""

    numbers: tuple[str, ...]
    """The rows of the features (k, m), by name."""
    vocabularies: tuple[Vocabulary, ...] = ()
    """The texts of each category, which grow while rows are read."""
    times: frozenset[str] = frozenset()
    """Those of `numbers` that are dates or times, and are read as seconds."""
    number_type: type[np.floating] = np.float64
    """Of the features: float32 where it holds all that the files' types hold, else float64, since
    a value may lose its digits when it is rounded before it is centred."""
    dialect: Dialect | None = None
    """How CSV files are written; None where all are Parquet."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """By column, what was found that decided how it is read, in words."""
    mistaken: Mapping[str, str] = field(default_factory=dict)
    """Numbers of which a few rows hold other texts, such as this one: reading them fails."""

    @property
    def categories(self) -> tuple[str, ...]:
        """The names of the categories."""
        return tuple(vocabulary.name for vocabulary in self.vocabularies)

    @property
    def kinds(self) -> tuple[object, ...]:
        """What two readings have in common that read alike."""
        return self.numbers, self.categories, self.times, self.dialect

    def dialect_to_tell(self) -> dict[str, Any]:
        """The dialect as the card holds it: nothing where it is the plain one."""
        told = self.dialect not in (None, PLAIN)
        return self.dialect.to_mapping() if told and self.dialect else {}
