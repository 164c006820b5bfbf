"""Score a stream of Arrow record batches: the core of files, and of engines that speak Arrow."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from serve_runtime.bundle.card import Label
from serve_runtime.errors import InputError, RowError
from serve_runtime.predictor import Predictor
from serve_runtime.tables.arrow import pa
from serve_runtime.tables.explain_errors import check_columns, check_numbers

SCORE_COLUMNS = ("probability", "label")


def score_batches(
    predictor: Predictor, batches: Iterable[Any], *, keep: Sequence[str] = ()
) -> Iterator[Any]:
    """Score pyarrow RecordBatches, or those of a Table, one by one, as they are asked for.

    Each gives one RecordBatch of as many rows: the columns `keep` as they came, `probability`
    (float32) and `label` (the type of the model's labels). Features are matched by name and may
    have any numeric type; other columns are ignored. The model is the one that `predictor` has
    when this is called. In Spark: `frame.mapInArrow(lambda it: score_batches(predictor, it), ddl)`.
    Raises InputError: a column that is missing, not numeric, or a kept column of another type
    than in the first batch, with the number of the batch, from 0; and RowError for a value that
    is missing or not finite, whose `row` counts from 0 over all batches.
    """
    check_call(predictor, keep)
    if hasattr(batches, "to_batches"):
        batches = batches.to_batches()
    predictor = predictor.snapshot()
    pairs = _pairs(predictor.card.feature_names, batches, keep)
    return map(with_plain_label, score_pairs(predictor, pairs))


def score_pairs(predictor: Predictor, pairs: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
    """Score record batches of features, each with the batch of columns that are kept beside it.

    The output is that of `score_batches`, but for `label`, which is dictionary-encoded: an index
    for each row, where texts would take as long as all the rest. So is RowError.
    """
    labels = _label_array(predictor.card.classes)
    threshold = np.float32(predictor.card.threshold)
    rows = 0
    for features, kept in pairs:
        try:
            probability = predictor.probability(_numpy_columns(features))
        except RowError as found:
            row = rows + found.row
            raise found.at(row, f"row {row}") from None
        rows += len(probability)
        positive = (probability >= threshold).view(np.int8)
        label = pa.DictionaryArray.from_arrays(_arrow_column(positive), labels)
        yield pa.RecordBatch.from_arrays(
            [*kept.columns, _arrow_column(probability), label],
            [*kept.schema.names, *SCORE_COLUMNS],
        )


def with_plain_label(batch: Any) -> Any:
    """A batch of `score_pairs` with its labels spelled out."""
    columns = [*batch.columns[:-1], batch.columns[-1].dictionary_decode()]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def check_call(predictor: Predictor, keep: Sequence[str]) -> None:
    """Raise InputError for another thing than a Predictor, and where the columns `keep` cannot
    stand beside the scores."""
    if not hasattr(predictor, "snapshot"):
        raise InputError(f"the first argument must be a Predictor; got {predictor!r}")
    if isinstance(keep, str):
        raise InputError(f"keep must be a list of columns, such as [{keep!r}]; got one text")
    clash = [name for name in keep if name in SCORE_COLUMNS]
    if clash:
        raise InputError(f"cannot keep {', '.join(clash)}: the scores are written under that name")
    if len(set(keep)) != len(keep):
        raise InputError(f"columns to keep must be named once; got {', '.join(keep)}")


_TEXTS = {"string", "large_string", "string_view"}
"""What Arrow calls a text: writers differ in which of them they take."""


def of_types(where: str, batch: Any, before: Mapping[str, str]) -> Any:
    """The batch with its columns in the types `before`, by name; others than those are left alone.

    A text becomes another kind of text; for any other difference, InputError.
    """
    for name, kind in before.items():
        position = batch.schema.get_field_index(name)
        found = batch.column(position)
        if (was := str(found.type)) == kind:
            continue
        if not {was, kind} <= _TEXTS:
            raise InputError(
                f"{where}: column {name!r} is {was}, and was {kind} before: "
                "a kept column must have one type throughout"
            )
        columns, schema = batch.columns, batch.schema
        field = schema.field(position).with_type(pa.type_for_alias(kind))
        columns[position] = found.cast(field.type)
        batch = pa.RecordBatch.from_arrays(columns, schema=schema.set(position, field))
    return batch


def types_of(schema: Any, names: Sequence[str]) -> dict[str, str]:
    """The names of the types that the columns `names` have in an Arrow schema."""
    return {name: str(schema.field(name).type) for name in names}


def _pairs(
    features: Sequence[str], batches: Iterable[Any], keep: Sequence[str]
) -> Iterator[tuple[Any, Any]]:
    seen, types = None, dict[str, str]()
    for number, batch in enumerate(batches):
        where = f"batch {number}"
        if not isinstance(batch, pa.RecordBatch):
            raise InputError(f"{where} must be a pyarrow.RecordBatch; got {type(batch).__name__}")
        if seen is None or not batch.schema.equals(seen):
            seen = batch.schema
            check_columns(where, seen.names, features, keep)
            check_numbers(where, seen, features)
        types = types or types_of(seen, keep)
        kept = of_types(where, batch.select(list(keep)), types)
        yield batch.select(list(features)), kept


# Arrow's own ways to and from numpy, and from Python's values, import pandas where it is installed:
# 0.3 s and 45 MB.


def _numpy_columns(batch: Any) -> dict[str, npt.NDArray[Any]]:
    """The columns of a batch by name, as they lie where they hold numbers and none is missing."""
    return {
        name: np.from_dlpack(_plain(column))
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }


def _plain(column: Any) -> Any:
    """A numeric column without nulls, which become NaN; truths and decimals become float32."""
    if pa.types.is_boolean(column.type) or pa.types.is_decimal(column.type):
        column = column.cast(pa.float32(), safe=False)
    if column.null_count:
        column = column.cast(pa.float64(), safe=False).fill_null(np.nan)
    return column


def _arrow_column(values: npt.NDArray[Any]) -> Any:
    """A contiguous numpy array of numbers as an Arrow array of the same memory."""
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _label_array(classes: Sequence[Label]) -> Any:
    """The labels as an Arrow array."""
    values = np.array(classes)
    if values.dtype == bool:
        return _arrow_column(values.view(np.int8)).cast(pa.bool_())
    if values.dtype.kind != "U":
        return _arrow_column(values)
    texts = [str(label).encode() for label in classes]
    offsets = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    return pa.StringArray.from_buffers(2, pa.py_buffer(offsets), pa.py_buffer(b"".join(texts)))
