"""The rows of a proof, of a model of plain numbers or of one that encodes its columns."""

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from export.parity import proof_rows
from export.parity.encoded_model import EncodedModel, Model, Rows
from export.parity.mixed import rows as mixed_rows
from export.parity.mixed.kinds import as_lists
from export.parity.proof_rows import GOLDEN_LOGITS, ProofBatch
from serve_runtime.arrays import Float32
from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.column import categories_of, is_numeric, numbers_of
from serve_runtime.features.raw_rows import RawRows


def proof_batches(card: ModelCard, model: Model, sample: Rows) -> list[ProofBatch]:
    """The rows on which a model is proven, `sample` among them: rows of the run's data."""
    if isinstance(model, EncodedModel):
        return mixed_rows.mixed_batches(card, model, cast("RawRows", sample))
    return proof_rows.proof_batches(card, model, cast("Float32", sample))


def more_batches(card: ModelCard, model: Model, rows: int) -> Iterator[ProofBatch]:
    """`rows` more rows in blocks: inside the training ranges, far outside, and of any logit."""
    if isinstance(model, EncodedModel):
        return mixed_rows.more_batches(model, rows)
    return proof_rows.more_batches(card, model, rows)


def golden_rows(card: ModelCard, model: Model) -> Rows:
    """The rows that the card will carry for self-tests: nobody's data."""
    if isinstance(model, EncodedModel):
        return mixed_rows.golden_raw_rows(model, GOLDEN_LOGITS)
    return proof_rows.golden_rows(card, model)


def golden_values(card: ModelCard) -> Rows:
    """The golden rows of a card, as rows."""
    columns = card.columns
    if is_numeric(columns):
        rows = np.array([row.features for row in card.golden], np.float32)
        return rows.reshape(-1, len(columns))
    rows_of: dict[str, list[Any]] = {
        column.name: [row.features[i] for row in card.golden] for i, column in enumerate(columns)
    }
    numbers = [
        [np.nan if value is None else value for value in rows_of[column.name]]
        for column in numbers_of(columns)
    ]
    texts = tuple(tuple(rows_of[column.name]) for column in categories_of(columns))
    return RawRows(np.array(numbers, np.float64).reshape(len(numbers), len(card.golden)), texts)


def golden_features(card: ModelCard, rows: Rows) -> list[tuple[Any, ...]]:
    """The rows as the golden rows of a card hold them: tuples in the order of the columns."""
    if isinstance(rows, RawRows):
        return [tuple(row) for row in as_lists(card.columns, rows)]
    return [tuple(map(float, row)) for row in rows]
