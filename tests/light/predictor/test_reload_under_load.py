"""A model is replaced while it scores: every call, and every stream, sees one model."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from light.helpers import NAMES, TINY, tiny_card, write_model
from light.successors import ROWS, WEIGHTS, bundle_of
from serve_runtime import Predictor


@pytest.fixture
def two(tmp_path):
    """Two bundles of the same features and classes."""
    return [bundle_of(tmp_path / name, w) for name, w in zip("ab", WEIGHTS, strict=True)]


@pytest.mark.parametrize("threads", [1, 2])
def test_under_load_every_answer_belongs_to_one_model(two, threads, limit):
    limit(parallel_values=1000, block_rows=100)
    names = [f"f{i}" for i in range(4)]
    batches = [ROWS[:1], ROWS[:30], ROWS, dict(zip(names, ROWS.T, strict=True))]
    calls = ["scores", "predict_proba", "predict", "probability"]

    def answer(of, i):
        found = getattr(of, calls[i % 4])(batches[i // 4 % 4])
        return np.asarray(found).tobytes()

    allowed = [{answer(Predictor(bundle), i) for bundle in two} for i in range(16)]
    assert sum(len(answers) == 2 for answers in allowed) > 12
    predictor, stop = Predictor(two[0], threads=threads), threading.Event()
    wrong, counts = [], [0] * 4

    def load(number):
        i = number
        while not stop.is_set():
            try:
                if answer(predictor, i % 16) not in allowed[i % 16]:
                    wrong.append(i % 16)
            except BaseException as reason:
                wrong.append(reason)
            i += 1
            counts[number] += 1

    running = [threading.Thread(target=load, args=(number,)) for number in range(4)]
    for thread in running:
        thread.start()
    for turn in range(60):
        assert predictor.reload(two[1 - turn % 2]) is True
    stop.set()
    for thread in running:
        thread.join()
    assert not wrong
    assert min(counts) > 0


def test_labels_are_by_the_threshold_of_the_model_that_scored(bundle, tmp_path, monkeypatch):
    other = write_model(tmp_path / "other.onnx", replace(tiny_card(), threshold=0.9))
    x = ROWS[:, :2]
    expected = [Predictor(model).predict(x).tolist() for model in (bundle, other)]
    assert expected[0] != expected[1]
    predictor, inner = Predictor(bundle), Predictor.probability

    def probability(self, x):
        predictor.reload(other)
        return inner(self, x)

    monkeypatch.setattr(Predictor, "probability", probability)
    assert [predictor.predict(x).tolist() for _ in range(2)] == expected


def test_a_stream_keeps_the_model_that_it_began_with(bundle, tmp_path):
    pa = pytest.importorskip("pyarrow")
    from serve_runtime.scoring.batches import score_batches

    other = write_model(tmp_path / "other.onnx", replace(tiny_card(), threshold=0.9))
    predictor = Predictor(bundle)
    x = dict(zip(NAMES, ROWS[:, :2].T.copy(), strict=True))
    batch = pa.RecordBatch.from_pydict(x)
    expected = Predictor(TINY).predict(x).tolist()
    found = []
    stream = score_batches(predictor, iter([batch] * 3))
    for scored in stream:
        found.append(scored["label"].to_pylist())
        predictor.reload(other if len(found) == 1 else bundle)
    assert found == [expected] * 3
    assert predictor.reload(other) is True
    assert predictor.predict(x).tolist() != expected
