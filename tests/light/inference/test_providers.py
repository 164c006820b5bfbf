"""Execution providers are given as onnxruntime takes them, and their options are passed on."""

import pickle
from typing import ClassVar

import numpy as np
import onnxruntime as ort
import pytest

from light.helpers import TINY, assert_same_bits
from serve_runtime import Predictor, ProviderError

ORIGINAL = ort.InferenceSession
CPU = "CPUExecutionProvider"
GPU = "CUDAExecutionProvider"
ROWS = np.float32([[1, 2], [6, 3]])


class GpuSession:
    """onnxruntime with a GPU, as far as a session's providers go: it computes on the CPU."""

    asked: ClassVar = []

    def __init__(self, model, options, *, providers, enable_fallback=1):
        type(self).asked.append(providers)
        self._names = [given if isinstance(given, str) else given[0] for given in providers]
        settings = dict(given for given in providers if isinstance(given, tuple))
        if int(settings.get(GPU, {}).get("device_id", 0)) > 3:
            if enable_fallback:
                print("EP Error, falling back to the CPU")
                self._names = [CPU]
            else:
                raise RuntimeError("CUDA failure 101: invalid device ordinal")
        self._real = ORIGINAL(model, options, providers=[CPU])

    def get_providers(self):
        return [*self._names, *({CPU} - set(self._names))]

    def __getattr__(self, name):
        return getattr(self._real, name)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(ort, "get_available_providers", lambda: [GPU, CPU])
    monkeypatch.setattr(ort, "InferenceSession", GpuSession)
    monkeypatch.setattr(GpuSession, "asked", [])
    return GpuSession


def test_options_are_passed_on_to_every_session(gpu, predictor):
    found = Predictor(TINY, providers=[(GPU, {"device_id": 2, "gpu_mem_limit": 1 << 30}), CPU])
    assert_same_bits(found.probability(ROWS), predictor.probability(ROWS))
    found.predict_proba({"x1": [1.0], "x2": [2.0]})
    asked = [(GPU, {"device_id": "2", "gpu_mem_limit": "1073741824"}), CPU]
    assert len(gpu.asked) > 1
    assert all(providers == asked for providers in gpu.asked)


def test_what_the_caller_changes_later_changes_nothing(gpu):
    options = {"device_id": 1}
    providers = [(GPU, options)]
    found = Predictor(TINY, providers=providers)
    options["device_id"] = 9
    providers.clear()
    gpu.asked.clear()
    copy = pickle.loads(pickle.dumps(found))
    copy.probability(ROWS)
    assert gpu.asked[0] == [(GPU, {"device_id": "1"})]


@pytest.mark.parametrize(
    "providers", [[GPU, CPU], (GPU, CPU), iter([GPU, CPU]), [[GPU, {}], CPU], [(GPU, {})]]
)
def test_names_and_pairs_may_be_mixed(gpu, providers):
    found = Predictor(TINY, providers=providers)
    assert pickle.loads(pickle.dumps(found)).predict(ROWS).tolist() == [0, 1]


def test_options_that_a_provider_refuses_are_an_error(gpu, capsys):
    with pytest.raises(
        ProviderError,
        match=r"cannot serve with \[\('CUDAExecutionProvider', {'device_id': '7'}\)\]: CUDA fail",
    ):
        Predictor(TINY, providers=[(GPU, {"device_id": 7})])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("providers", "message"),
    [
        (CPU, "must be a sequence of names, or of pairs of name and options; got the str 'CPU"),
        ({CPU: {}}, "got the dict {'CPUExecutionProvider': {}}"),
        ({CPU}, "got the set {'CPUExecutionProvider'}"),
        (None, "got the NoneType None"),
        ((CPU, {"a": 1}), r"a pair of name and options, such as .*; got {'a': 1}"),
        ([(CPU, {"a": 1}, 3)], r"got \('CPUExecutionProvider', {'a': 1}, 3\)"),
        ([(CPU, "a=1")], r"got \('CPUExecutionProvider', 'a=1'\)"),
        ([(CPU, None)], r"got \('CPUExecutionProvider', None\)"),
        ([({}, CPU)], r"got \({}, 'CPUExecutionProvider'\)"),
        ([7], "got 7"),
        ([CPU, (CPU, {})], "named once; got 'CPUExecutionProvider', 'CPUExecutionProvider'"),
        ([], r"execution provider \(none given\) is not available; this onnxruntime"),
        (
            [("GhostExecutionProvider", {"a": 1}), CPU],
            "provider 'GhostExecutionProvider' is not av",
        ),
    ],
)
def test_providers_that_are_none_are_refused(providers, message):
    with pytest.raises(ProviderError, match=message):
        Predictor(TINY, providers=providers)


def test_the_cpu_takes_options_too(predictor):
    found = Predictor(TINY, providers=[(CPU, {"use_arena": "0"})])
    assert_same_bits(found.probability(ROWS), predictor.probability(ROWS))
