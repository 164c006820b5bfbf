"""Score a stream of Arrow record batches.

Scoring files is built on this, and programs that hand over Arrow batches (Spark, DuckDB, Polars)
call `score_batches` themselves.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import label_array
from serve_runtime.bundle.card import Label, ModelCard
from serve_runtime.errors import InputError, RowError
from serve_runtime.features.column import CATEGORY, NUMBER, PRECISE, Column
from serve_runtime.features.precise import precise_numbers
from serve_runtime.predictor import Predictor
from serve_runtime.shown import listed, quoted
from serve_runtime.tables.arrow import pa
from serve_runtime.tables.explain_errors import check_columns, check_levels, check_numbers
from serve_runtime.tables.numbers import from_numpy, plain_numbers, to_floats

SCORE_COLUMNS = ("probability", "label")
"""The columns that scoring adds, in this order, after the kept ones; what they are called unless
other names are given."""

Observer = Callable[[Mapping[str, npt.NDArray[Any]], npt.NDArray[np.int8]], object]
"""Called with each scored batch: the features by name, (n,) each, numbers in numpy with NaN where
one is missing, and the predicted class of each row, (n,) int8: 1 is the positive label, 0 the
negative one."""


def score_batches(
    predictor: Predictor,
    batches: Iterable[Any],
    *,
    keep: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
) -> Iterator[Any]:
    """Score pyarrow RecordBatches, or a pyarrow Table, batch by batch.

    `batches` is read lazily: a batch is taken and scored when the next result is asked for. Each
    gives one RecordBatch with as many rows: the columns `keep` unchanged, then `probability`
    (float32) and `label` (in the type of the model's labels). `names` gives one of these two, or
    both, another name ({"label": "predicted"}), so that a column called like it can be kept.
    Features are matched by name and may have any numeric type, categories any type that a level may
    have; other columns are ignored. The model is the one that `predictor` holds at the time of this
    call, even if it is reloaded later.

    Raises InputError if a column is missing or not numeric, or a kept column changes its type
    between batches; the message has the number of the batch, from 0. Raises RowError if a row
    cannot be scored, for example because a value is missing; its `row` counts from 0 over all
    batches.

        for scored in score_batches(predictor, table, keep=["id"]):
            writer.write_batch(scored)

    In Spark: `frame.mapInArrow(lambda batches: score_batches(predictor, batches), schema)`.
    """
    score_columns = check_arguments(predictor, keep, names)
    if hasattr(batches, "to_batches"):
        batches = batches.to_batches()
    predictor = predictor.snapshot()
    pairs = _split_columns(predictor.card, batches, keep)
    return map(decode_labels, score_pairs(predictor, pairs, score_columns))


def score_pairs(
    predictor: Predictor,
    pairs: Iterable[tuple[Any, Any]],
    score_columns: Sequence[str] = SCORE_COLUMNS,
    observe: Observer | None = None,
) -> Iterator[Any]:
    """Score pairs of record batches of the same rows: the features, and the columns to keep.

    `score_columns` are the names of the two columns that are added. Gives the batches that
    `score_batches` gives, with one difference: `label` is dictionary encoded (an int8 index for
    each row), because spelling out text labels takes as long as all other work together;
    `decode_labels` does it. `observe`, if given, is called with each batch. Raises RowError as
    `score_batches` does.
    """
    labels = _label_array(predictor.card.classes)
    threshold = np.float32(predictor.card.threshold)
    rows = 0
    for features, kept in pairs:
        try:
            columns = model_columns(predictor.card, features)
            probability = predictor.probability(columns)
        except RowError as found:
            row = rows + found.row
            raise found.at(row, f"row {row}") from None
        rows += len(probability)
        positive = (probability >= threshold).view(np.int8)
        if observe:
            observe(columns, positive)
        label = pa.DictionaryArray.from_arrays(from_numpy(positive), labels)
        yield pa.RecordBatch.from_arrays(
            [*kept.columns, from_numpy(probability), label],
            [*kept.schema.names, *score_columns],
        )


def decode_labels(batch: Any) -> Any:
    """A batch of `score_pairs` with the labels themselves in place of their indices."""
    columns = [*batch.columns[:-1], batch.columns[-1].dictionary_decode()]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def check_arguments(
    predictor: Predictor, keep: Sequence[str], names: Mapping[str, str] | None
) -> tuple[str, str]:
    """The names of the probability's and the label's column, which `names` may change.

    Raises InputError unless `predictor` is a Predictor, `keep` a list of distinct columns, and
    the two names are texts that differ from one another and from all of these.
    """
    if not hasattr(predictor, "snapshot"):
        raise InputError(f"the first argument must be a Predictor; got {quoted(predictor)}")
    if isinstance(keep, str):
        raise InputError(f"keep must be a list of columns, such as [{quoted(keep)}]; got one text")
    probability, label = _score_columns({} if names is None else names)
    if clash := [name for name in keep if name in (probability, label)]:
        raise InputError(
            f"cannot keep {listed(clash)}: the scores are written under that name; give them "
            "other names, with --names or names="
        )
    if len(set(keep)) != len(keep):
        raise InputError(f"columns to keep must be named once; got {listed(keep)}")
    return probability, label


def _score_columns(names: Mapping[str, str]) -> tuple[str, str]:
    """The names of the two score columns. Raises InputError."""
    known = isinstance(names, Mapping) and names.keys() <= set(SCORE_COLUMNS)
    if not known or not all(isinstance(name, str) and name for name in names.values()):
        raise InputError(
            f"names must map {' and '.join(map(repr, SCORE_COLUMNS))}, or one of them, to another "
            f"name; got {quoted(names)}"
        )
    probability, label = (names.get(column, column) for column in SCORE_COLUMNS)
    if probability == label:
        raise InputError(f"probability and label need different names; both are {quoted(label)}")
    return probability, label


_TEXT_TYPES = {"string", "large_string", "string_view"}
"""Arrow's names for types of text; programs that write Parquet differ in which one they use."""


def cast_to_types(where: str, batch: Any, types: Mapping[str, str]) -> Any:
    """The batch with each column named in `types` in that type; other columns are unchanged.

    One type of text is cast to another. For every other difference InputError is raised, whose
    message begins with `where`.
    """
    for name, wanted in types.items():
        position = batch.schema.get_field_index(name)
        found = batch.column(position)
        if (actual := str(found.type)) == wanted:
            continue
        if not {actual, wanted} <= _TEXT_TYPES:
            raise InputError(
                f"{where}: column {quoted(name)} is {actual:.60}, and was {wanted:.60} before: "
                "a kept column must have one type throughout"
            )
        columns, schema = batch.columns, batch.schema
        field = schema.field(position).with_type(pa.type_for_alias(wanted))
        columns[position] = found.cast(field.type)
        batch = pa.RecordBatch.from_arrays(columns, schema=schema.set(position, field))
    return batch


def column_types(schema: Any, names: Sequence[str]) -> dict[str, str]:
    """The type of each column in `names`, by name, as Arrow spells it ("int64")."""
    return {name: str(schema.field(name).type) for name in names}


def names_of_kind(card: ModelCard, kind: str) -> list[str]:
    """Names of the columns of one kind, such as CATEGORY."""
    return [column.name for column in card.columns if column.kind == kind]


def names_that_may_miss(card: ModelCard) -> list[str]:
    """Names of the columns in which the model takes missing values."""
    return [column.name for column in card.columns if column.missing != "error"]


def times_of(card: ModelCard) -> list[str]:
    """Names of the columns of dates and times."""
    return [column.name for column in card.columns if column.time]


def _split_columns(
    card: ModelCard, batches: Iterable[Any], keep: Sequence[str]
) -> Iterator[tuple[Any, Any]]:
    """Each batch as two: its features, and the columns to keep. Raises InputError."""
    features, numbers = card.feature_names, names_of_kind(card, NUMBER)
    categories = names_of_kind(card, CATEGORY)
    seen, types = None, dict[str, str]()
    for number, batch in enumerate(batches):
        where = f"batch {number}"
        if not isinstance(batch, pa.RecordBatch):
            raise InputError(f"{where} must be a pyarrow.RecordBatch; got {type(batch).__name__}")
        if seen is None or not batch.schema.equals(seen):
            seen = batch.schema
            check_columns(where, seen.names, features, keep)
            check_numbers(where, seen, numbers)
            check_levels(where, seen, categories)
        types = types or column_types(seen, keep)
        kept = cast_to_types(where, batch.select(list(keep)), types)
        yield batch.select(list(features)), kept


# The conversions below avoid Arrow's own to_numpy and pa.array: these import pandas if it is
# installed, which takes 0.3 s and 45 MB.


def model_columns(card: ModelCard, batch: Any) -> dict[str, Any]:
    """The features of a batch by name, (n,) each: numbers in numpy with NaN where one is missing,
    not copied if there are no nulls; categories as they are in Arrow."""
    return {column.name: _for_model(column, batch.column(column.name)) for column in card.columns}


def _for_model(column: Column, values: Any) -> Any:
    if column.kind == CATEGORY:
        return values
    if column.kind == PRECISE:
        return precise_numbers(values, f"feature {quoted(column.name)}", time=column.time)
    return np.from_dlpack(_without_nulls(values))


def _without_nulls(column: Any) -> Any:
    """A column of numbers as numpy can read it: as float32 with NaN where values are missing, and
    where they are booleans or decimals; else as it is."""
    column = plain_numbers(column)
    type_ = column.type
    if column.null_count or pa.types.is_boolean(type_) or pa.types.is_decimal(type_):
        column = to_floats(column, pa.float32())
    return column.fill_null(np.nan) if column.null_count else column


def _label_array(classes: Sequence[Label]) -> Any:
    """The two labels as an Arrow array."""
    values = label_array(classes)
    if values.dtype == bool:
        return from_numpy(values.view(np.int8)).cast(pa.bool_())
    if values.dtype.kind not in "UO":
        return from_numpy(values)
    texts = [str(label).encode() for label in classes]
    offsets = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    return pa.StringArray.from_buffers(2, pa.py_buffer(offsets), pa.py_buffer(b"".join(texts)))
