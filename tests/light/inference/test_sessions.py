"""How onnxruntime is opened and called: in one thread, silent, if need be by public methods."""

import re

import numpy as np
import onnxruntime as ort
import pytest

from light.helpers import TINY, assert_same_bits
from serve_runtime import Predictor, ProviderError
from serve_runtime.bundle.onnx_graph import write_sigmoid
from serve_runtime.errors import RuntimeVersionError
from serve_runtime.inference.sessions import Session

ORIGINAL = ort.InferenceSession
COUNTS = [1, 3, 50, 257, 1000, 70_000]


def rows(count):
    return np.random.default_rng(count).normal(0, 3, (count, 2)).astype(np.float32)


class PublicSession:
    """A session with other insides than those of today: only what is documented."""

    def __init__(self, *arguments, **options):
        real = ORIGINAL(*arguments, **options)
        self.run, self.run_with_iobinding = real.run, real.run_with_iobinding
        self.get_inputs, self.get_outputs = real.get_inputs, real.get_outputs
        self.io_binding, self.get_providers = real.io_binding, real.get_providers


def test_a_release_with_other_insides_gives_the_same_bits(predictor, monkeypatch):
    monkeypatch.setattr(ort, "InferenceSession", PublicSession)
    assert not hasattr(PublicSession(write_sigmoid()), "_sess")
    public = Predictor(TINY)
    monkeypatch.undo()
    for count in COUNTS:
        for x in (rows(count), np.asfortranarray(rows(count)), rows(count).astype(float)):
            for method in ("probability", "decision_function", "predict_proba"):
                assert_same_bits(getattr(public, method)(x), getattr(predictor, method)(x))


def test_every_session_has_one_thread_and_logs_nothing(monkeypatch):
    opened = []

    def open_session(model, options, providers):
        opened.append(options)
        return ORIGINAL(model, options, providers=providers)

    monkeypatch.setattr(ort, "InferenceSession", open_session)
    predictor = Predictor(TINY, threads=3)
    for _ in range(2):
        for count in COUNTS:
            predictor.predict_proba(rows(count))
            predictor.predict_proba(np.asfortranarray(rows(count)))
    assert len(opened) == len(predictor._model.engine._sessions)  # each was opened once
    for options in opened:
        assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
        assert options.log_severity_level == 4
        assert not options.enable_cpu_mem_arena
        assert not options.enable_mem_pattern


def test_a_layout_is_opened_when_it_is_needed(monkeypatch):
    opened = []

    def open_session(*arguments, **options):
        opened.append(arguments)
        return ORIGINAL(*arguments, **options)

    monkeypatch.setattr(ort, "InferenceSession", open_session)
    predictor = Predictor(TINY)
    predictor.probability(rows(1000))
    assert len(opened) == 1
    predictor.probability({"x1": [1], "x2": [2]})
    assert len(opened) == 2
    predictor.predict_proba(rows(1))
    assert len(opened) == 3


def test_a_bound_call_reads_and_writes_the_given_memory():
    session = Session(write_sigmoid(), ["CPUExecutionProvider"])
    logit, probability = np.zeros(4, np.float32), np.zeros(4, np.float32)
    run = session.bind(logit, probability)
    for value in (0, 3, -80):
        logit[...] = value
        run()
        assert_same_bits(probability, session.run(logit)[0])


def test_a_provider_that_is_dropped_silently_is_an_error(monkeypatch):
    available = [*ort.get_available_providers(), "GhostExecutionProvider"]
    monkeypatch.setattr(ort, "get_available_providers", lambda: available)
    monkeypatch.setattr(
        ort, "InferenceSession", lambda model, options, **_: ORIGINAL(model, options)
    )
    with pytest.raises(ProviderError, match=r"asked for Ghost.*; onnxruntime uses CPUExec"):
        Predictor(TINY, providers=["GhostExecutionProvider", "CPUExecutionProvider"])
    with pytest.raises(ProviderError, match="must be a sequence of names, or of pairs"):
        Predictor(TINY, providers="CPUExecutionProvider")


@pytest.mark.parametrize("version", ["1.14.1", "0.9.0"])
def test_a_runtime_too_old_to_be_proven_is_refused(monkeypatch, version):
    monkeypatch.setattr(ort, "__version__", version)
    message = rf"serve-runtime needs onnxruntime 1\.15 or later; this is {re.escape(version)}: pip"
    with pytest.raises(RuntimeVersionError, match=message):
        Predictor(TINY)


@pytest.mark.parametrize("version", ["1.15.0", "1.100.0+cpu", "2.0.0rc1"])
def test_newer_runtimes_are_taken(monkeypatch, version):
    monkeypatch.setattr(ort, "__version__", version)
    Predictor(TINY)
