"""The contracts of an ONNX file in onnxruntime itself, without a Predictor's graphs."""

import numpy as np

from export.errors import ParityError
from export.formats.artifact import Score
from export.parity.contracts.in_layout import LayoutPredictor, same_bits
from export.parity.encoded_model import Rows, taken
from serve_runtime.arrays import Float32
from serve_runtime.inference.inner_blocks import FILLED_ROWS


def same_as_file(
    name: str, predictor: LayoutPredictor, score: Score, random: Rows, sweep: Rows
) -> int:
    """A Predictor runs graphs of its own, not the file's; the bits must be the same.

    `score` is the file's, `random` and `sweep` are n rows each. Returns the number of rows.
    """
    shown = 0
    for rows in (random, sweep):
        if not len(rows):
            continue
        # A Predictor fills batches up, to a multiple of 4 and on some processors to FILLED_ROWS;
        # the file does not.
        count = max(FILLED_ROWS, len(rows) - len(rows) % 4)
        rows = taken(rows, np.arange(count) % len(rows))
        if not same_bits(np.stack(predictor.scores(rows)), np.stack(score(rows))):
            raise ParityError(f"{name}: a Predictor has other bits than the file in onnxruntime")
        shown += len(rows)
    return shown


def neighbours(name: str, score: Score, rows: Float32) -> int:
    """Scores before and after other rows became NaN, by the file itself: a Predictor refuses NaN.

    The batch is a multiple of 4 rows, as a Predictor would have filled it up. Returns how many of
    the rows (n, d) were held against their scores.
    """
    rows = rows[: min(32, len(rows) - len(rows) % 4)].copy()
    before = np.stack(score(rows))
    rows[::2, :: max(1, rows.shape[1] // 8)] = np.nan
    rows[2::4, 0] = np.inf
    after = np.stack(score(rows))
    if not np.array_equal(before[:, 1::2].view(np.uint32), after[:, 1::2].view(np.uint32)):
        raise ParityError(f"{name}: NaN or infinity in a row changes the scores of its neighbours")
    return len(rows) // 2
