"""Arrow columns of dates and times as the seconds since 1970 began."""

from typing import Any

import numpy as np

from serve_runtime.arrays import Float64
from serve_runtime.features.times import UNITS, days, seconds
from serve_runtime.shown import quoted
from serve_runtime.tables.arrow import pa, pc
from train.errors import DataError

_NS = len("2024-01-31T10:20:30.123456789")


def is_time(data_type: Any) -> bool:
    """Whether a column of this Arrow type holds dates or timestamps."""
    return bool(pa.types.is_date(data_type) or pa.types.is_timestamp(data_type))


def is_iso(texts: list[str]) -> bool:
    """Whether all texts are dates or timestamps as ISO 8601 writes them, with zones or without."""
    return bool(texts) and _parsed(pa.array(texts, pa.string())) is not None


def time_seconds(column: Any, source: str, name: str) -> Float64:
    """The seconds (n,) of an Arrow array of dates, timestamps, or texts of ISO 8601; NaN where one
    is missing. Those without a zone are in UTC. Raises DataError for other texts."""
    if not is_time(column.type):
        texts = column.cast(pa.string())
        texts = pc.if_else(pc.equal(pc.utf8_trim_whitespace(texts), ""), None, texts)
        if (parsed := _parsed(texts)) is None:
            odd = next(
                text for text in texts.to_pylist() if text is not None and not is_iso([text])
            )
            raise DataError(
                f"{source}: column {quoted(name)} holds {quoted(odd)}, which is no date or time "
                "of ISO 8601, such as 2024-01-31T10:20:30Z"
            )
        column = parsed
    missing = np.asarray(column.is_null().to_numpy(zero_copy_only=False))
    if pa.types.is_date32(column.type):
        found = days(column.cast(pa.int32()).fill_null(0).to_numpy())
    else:
        unit = "ms" if pa.types.is_date64(column.type) else column.type.unit
        found = seconds(column.cast(pa.int64()).fill_null(0).to_numpy(), unit)
    found[missing] = np.nan
    return found


def _parsed(texts: Any) -> Any:
    """Texts as timestamps, None where they are none. All have a zone, or none has."""
    texts = pc.utf8_trim_whitespace(texts)
    for unit in tuple(UNITS)[2:]:
        for zone in ("UTC", None):
            try:
                return texts.cast(pa.timestamp(unit, zone))
            except pa.ArrowInvalid:
                continue
    return None
