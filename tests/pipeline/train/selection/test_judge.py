"""What scores are worth."""

import numpy as np
import pytest

from train.selection.judge import Judge


def test_what_rows_tell_is_no_more_than_the_rarer_class_has():
    labels = np.zeros(10_000, np.float32)
    labels[:20] = 1
    assert Judge(labels).information == pytest.approx(20, rel=1e-2)
    assert Judge(np.arange(100, dtype=np.float32) % 2).information == pytest.approx(25)
    weights = np.where(labels, 500, 1).astype(np.float32)
    assert Judge(labels, weights).information == pytest.approx(19_980 / 4, rel=1e-2)
