"""A predictor as a value: copied, pickled, closed."""

import copy
import pickle
import shutil

import numpy as np
import pytest

from light.helpers import TINY, assert_same_bits, run_python
from serve_runtime import ArtifactError, CardError, Predictor, ProviderError
from serve_runtime import predictor as predictor_module
from serve_runtime.errors import ClosedError

ROWS = np.random.default_rng(2).normal(0, 3, (300, 2)).astype(np.float32)
METHODS = ["probability", "decision_function", "predict_proba", "predict", "scores"]

COPIES = {
    **{
        f"pickle {protocol}": lambda p, protocol=protocol: pickle.loads(pickle.dumps(p, protocol))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "snapshot": Predictor.snapshot,
    "a copy of a copy": lambda p: copy.deepcopy(copy.copy(p)),
}


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("file", ["", "model.onnx", "model.columnar.onnx"])
def test_a_copy_scores_the_same_without_the_files(bundle, name, file):
    predictor = Predictor(bundle / file, threads=2)
    expected = predictor.predict_proba(ROWS), predictor.predict_proba(np.asfortranarray(ROWS))
    pickled = pickle.dumps(predictor)
    shutil.rmtree(bundle)
    for twin in (COPIES[name](predictor), COPIES[name](pickle.loads(pickled))):
        assert_same_bits(twin.predict_proba(ROWS), expected[0])
        assert_same_bits(twin.predict_proba(np.asfortranarray(ROWS)), expected[1])
        assert (repr(twin), twin.card) == (repr(predictor), predictor.card)
        assert twin.predict(ROWS).tolist() == predictor.predict(ROWS).tolist()
        assert twin.selftest() == predictor.selftest()


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_keeps_its_threads_and_providers(monkeypatch, name):
    twin = COPIES[name](Predictor(TINY, threads=3))
    assert twin._model.engine._threads == 3
    assert twin._model.engine._providers == ("CPUExecutionProvider",)
    monkeypatch.setattr(predictor_module, "available_cpus", lambda: 2)
    auto = Predictor(TINY, threads="auto")
    if name != "snapshot":  # which is the same engine; another machine has other processors
        monkeypatch.setattr(predictor_module, "available_cpus", lambda: 5)
        assert COPIES[name](auto)._model.engine._threads == 5


def test_a_pickle_asks_for_its_providers_where_it_is_opened(monkeypatch):
    pickled = pickle.dumps(Predictor(TINY))
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["Other"])
    with pytest.raises(ProviderError, match="'CPUExecutionProvider' is not available"):
        pickle.loads(pickled)


def test_a_pickle_opens_in_a_process_of_its_own(tmp_path):
    (tmp_path / "predictor").write_bytes(pickle.dumps(Predictor(TINY)))
    code = (
        "import pickle, sys\n"
        "predictor = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(predictor.probability([[1, 2]]).tobytes().hex())\n"
    )
    result = run_python("-W", "ignore::ResourceWarning", "-c", code, "predictor", cwd=tmp_path)
    expected = Predictor(TINY).probability([[1, 2]]).tobytes().hex()
    assert (result.stdout, result.stderr) == (f"{expected}\n", "")


def test_a_pickle_with_another_model_in_it_is_refused():
    """Every bit of the model's bytes is covered by a digest that is checked again."""
    pickled = pickle.dumps(Predictor(TINY))
    content = (TINY / "model.onnx").read_bytes()
    start = pickled.index(content)
    for at in range(0, len(content), 97):
        changed = bytearray(pickled)
        changed[start + at] ^= 1
        with pytest.raises((ArtifactError, CardError), match=r"altered|card|ONNX|holds|was not"):
            pickle.loads(bytes(changed))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("x", [ROWS, ROWS[:1], ROWS.tolist(), {"x1": [1], "x2": [2]}, [], None])
def test_a_closed_predictor_scores_nothing(method, x):
    predictor = Predictor(TINY)
    predictor.close()
    with pytest.raises(ClosedError, match="this Predictor is closed: open the model with a new"):
        getattr(predictor, method)(x)


@pytest.mark.parametrize(
    "use",
    [
        lambda p: p.card,
        lambda p: p.classes_,
        lambda p: p.feature_names_in_,
        lambda p: p.n_features_in_,
        lambda p: p.label(np.float32([0.5])),
        lambda p: p.selftest(),
        lambda p: p.reload(),
        lambda p: p.reload(TINY),
        lambda p: p.snapshot().probability(ROWS),
        lambda p: p.probability(ROWS, out=np.empty(300, np.float32)),
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
    ],
)
def test_a_closed_predictor_has_nothing_to_tell(use):
    predictor = Predictor(TINY)
    predictor.close()
    predictor.close()
    with pytest.raises(ClosedError, match="this Predictor is closed"):
        use(predictor)
    with pytest.raises(ValueError, match="this Predictor is closed"):
        use(predictor)
    assert repr(predictor) == f"<Predictor {str(TINY)!r}, closed>"


def test_a_predictor_closes_at_the_end_of_its_context():
    with Predictor(TINY) as predictor:
        assert len(predictor.probability(ROWS)) == 300
    with pytest.raises(ClosedError, match="this Predictor is closed"):
        predictor.probability(ROWS)
    with pytest.raises(KeyError, match="mine"), Predictor(TINY) as predictor:
        raise KeyError("mine")
    assert repr(predictor).endswith("closed>")


def test_snapshots_and_copies_survive_the_originals_close():
    predictor = Predictor(TINY)
    expected = predictor.predict_proba(ROWS)
    twins = [make(predictor) for make in COPIES.values()]
    predictor.close()
    for twin in twins:
        assert_same_bits(twin.predict_proba(ROWS), expected)
    twins[-1].close()
    assert_same_bits(twins[0].predict_proba(ROWS), expected)
