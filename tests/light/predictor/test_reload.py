"""`reload`: another model is served from one call to the next, or the old one goes on."""

import os
import pickle
import shutil
from contextlib import suppress
from dataclasses import replace

import pytest

from light.helpers import assert_same_bits, flipped, moved, reseal, tiny_card, write_model
from light.successors import ROWS, WEIGHTS, bundle_of, golden_of
from serve_runtime import ArtifactError, CardError, Predictor, SelfTestError
from serve_runtime import predictor as predictor_module
from serve_runtime.bundle import model_file
from serve_runtime.errors import ClosedError


@pytest.fixture
def two(tmp_path):
    """Two bundles of the same features and classes."""
    return [bundle_of(tmp_path / name, w) for name, w in zip("ab", WEIGHTS, strict=True)]


def replace_bundle(folder, by):
    shutil.rmtree(folder)
    shutil.copytree(by, folder)


def test_a_reload_serves_what_the_bundle_holds_now(two):
    predictor, expected = Predictor(two[0]), Predictor(two[1])
    before = predictor.predict_proba(ROWS)
    assert predictor.reload() is False
    assert_same_bits(predictor.predict_proba(ROWS), before)
    replace_bundle(*two)
    assert_same_bits(predictor.predict_proba(ROWS), before)
    assert predictor.reload() is True
    assert predictor.reload() is False
    assert_same_bits(predictor.predict_proba(ROWS), expected.predict_proba(ROWS))
    assert predictor.card == expected.card


@pytest.fixture
def reads(monkeypatch):
    """The paths that are read from now on; all files count as settled."""
    read, read_models = [], model_file.read_models
    monkeypatch.setattr(model_file, "_SETTLED_NS", 0)
    monkeypatch.setattr(
        model_file, "read_models", lambda path: (read.append(path), read_models(path))[1]
    )
    return read


@pytest.mark.parametrize("name", ["", "model.onnx"])
def test_a_reload_of_untouched_files_reads_nothing(two, reads, name):
    predictor = Predictor(two[0] / name)
    reads.clear()
    assert predictor.reload() is False
    assert reads == []
    assert pickle.loads(pickle.dumps(predictor)).reload() is False
    assert len(reads) == 1  # files of another machine, for all it knows


@pytest.mark.parametrize("name", ["MANIFEST.json", "model.onnx", "model.columnar.onnx"])
@pytest.mark.parametrize("touch", [os.utime, lambda path: path.chmod(0o600)])
def test_a_reload_reads_again_where_a_file_was_touched(two, reads, name, touch):
    predictor = Predictor(two[0])
    reads.clear()
    touch(two[0] / name)
    assert predictor.reload() is False
    assert len(reads) == 1
    assert predictor.reload() is False
    assert len(reads) == 1


def test_a_change_that_keeps_size_and_times_is_seen(two, reads):
    """Written over in place, the time of modification set back: the inode's own time tells."""
    predictor, path = Predictor(two[0]), two[0] / "model.onnx"
    before, content = path.stat(), path.read_bytes()
    path.write_bytes(flipped(content, len(content) // 2))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ArtifactError, match="is not the file that was exported"):
        predictor.reload()


def test_files_that_were_just_written_are_read_again(two, reads, monkeypatch):
    monkeypatch.setattr(model_file, "_SETTLED_NS", 10**15)
    predictor = Predictor(two[0])
    reads.clear()
    assert [predictor.reload(), predictor.reload()] == [False, False]
    assert len(reads) == 2


def test_a_closed_predictor_does_not_reload_untouched_files(two, reads):
    predictor = Predictor(two[0])
    predictor.close()
    with pytest.raises(ClosedError, match="closed"):
        predictor.reload()


def test_a_reload_may_name_another_bundle(two):
    predictor, expected = Predictor(two[0]), Predictor(two[1])
    assert predictor.reload(two[1]) is True
    assert predictor.reload(str(two[1])) is False
    assert predictor.reload() is False
    assert_same_bits(predictor.probability(ROWS), expected.probability(ROWS))
    assert str(two[1]) in repr(predictor)
    assert predictor.reload(two[0]) is True


def test_a_relative_path_names_the_same_bundle_from_any_folder(two, tmp_path, monkeypatch):
    """Another folder may hold another tenant's model under the same name."""
    monkeypatch.chdir(two[0].parent)
    predictor = Predictor(two[0].name)
    twins = [predictor, pickle.loads(pickle.dumps(predictor)), predictor.snapshot()]
    (tmp_path / "elsewhere").mkdir()
    shutil.copytree(two[1], tmp_path / "elsewhere" / two[0].name)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert [twin.reload() for twin in twins] == [False] * 3
    replace_bundle(*two)
    assert [twin.reload() for twin in twins] == [True] * 3
    assert predictor.reload(two[0].name) is False  # the same bytes, here
    monkeypatch.chdir(tmp_path)
    assert predictor.reload() is False


def test_a_reload_inside_of_a_reload_is_the_one_that_counts(two, tmp_path, monkeypatch):
    """As a signal's handler may ask for it."""

    def read(path):
        found = read_models(path)
        if str(path) == str(two[1]):
            assert predictor.reload(third) is True
        return found

    third = bundle_of(tmp_path / "third", WEIGHTS[1], threshold=0.25)
    predictor, read_models = Predictor(two[0]), model_file.read_models
    monkeypatch.setattr(model_file, "read_models", read)
    assert predictor.reload(two[1]) is False
    assert predictor.card.threshold == 0.25
    assert predictor.reload() is False


def test_a_reload_inside_of_one_that_finds_nothing_new(two, reads, monkeypatch):
    """The handler's model is served, and a later reload of the first bundle is not skipped."""

    def read(path):
        found = read_models(path)
        if not handled:
            handled.append(path)
            assert predictor.reload(two[1]) is True
        return found

    predictor, read_models, handled = Predictor(two[0]), model_file.read_models, []
    first, second = (Predictor(bundle).probability(ROWS) for bundle in two)
    os.utime(two[0] / "model.onnx")
    monkeypatch.setattr(model_file, "read_models", read)
    assert predictor.reload() is False
    assert_same_bits(predictor.probability(ROWS), second)
    assert predictor.reload() is False
    assert predictor.reload(two[0]) is True
    assert_same_bits(predictor.probability(ROWS), first)


def test_a_new_threshold_is_a_new_model(two, tmp_path):
    predictor = Predictor(two[0])
    strict = bundle_of(tmp_path / "strict", WEIGHTS[0], threshold=0.999)
    assert predictor.reload(strict) is True
    assert predictor.predict(ROWS).mean() < Predictor(two[0]).predict(ROWS).mean()


def refused(tmp_path, case):
    """A bundle that a predictor of WEIGHTS[0] must not reload, the error, and what it says."""
    if case == "other features":
        folder = bundle_of(tmp_path / "x", [1, 2, 3], golden=())
        return (
            folder,
            ArtifactError,
            r"other feature_names \('f0', 'f1', 'f2'\) than the model that is",
        )
    if case == "other classes":
        folder = bundle_of(tmp_path / "x", WEIGHTS[1], classes=("no", "yes"))
        return folder, ArtifactError, r"other classes \('no', 'yes'\) than the model .* \(0, 1\)"
    if case == "a failing self-test":
        golden = golden_of(tmp_path / "bare", WEIGHTS[1])
        folder = bundle_of(tmp_path / "x", WEIGHTS[1], golden=(golden[0], moved(golden[1], 1)))
        return folder, SelfTestError, "golden row 1, rows layout: .* do not serve this model"
    if case == "no golden rows":
        folder = bundle_of(tmp_path / "x", WEIGHTS[1], golden=())
        return folder, SelfTestError, "the card has no golden rows"
    if case == "nothing there":
        return tmp_path / "none", ArtifactError, "does not exist"
    folder = bundle_of(tmp_path / "x", WEIGHTS[1])
    file = folder / "model.onnx"
    if case == "no manifest":
        (folder / "MANIFEST.json").unlink()
        return folder, ArtifactError, "is no bundle, it has no MANIFEST.json"
    if case == "half replaced":
        shutil.copy(bundle_of(tmp_path / "y", WEIGHTS[0]) / file.name, file)
        return folder, ArtifactError, "is not the file that was exported"
    if case == "a damaged graph under a new manifest":
        file.write_bytes(flipped(file.read_bytes(), file.read_bytes().index(b"weight") + 20))
        reseal(folder)
        return folder, ArtifactError, "altered"
    assert case == "a damaged card under a new manifest"
    file.write_bytes(file.read_bytes().replace(b'"threshold":0.5', b'"threshold":0.1'))
    reseal(folder)
    return folder, CardError, "card"


CASES = [
    *("other features", "other classes", "a failing self-test", "no golden rows"),
    *("nothing there", "no manifest", "half replaced", "a damaged graph under a new manifest"),
    "a damaged card under a new manifest",
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("named", [True, False])
def test_a_refused_reload_leaves_the_old_model_and_path(two, tmp_path, case, named):
    folder, error, message = refused(tmp_path / "", case)
    predictor = Predictor(two[0])
    shown, expected = repr(predictor), predictor.predict_proba(ROWS)
    if not named:
        shutil.rmtree(two[0])
        if folder.exists():
            folder.rename(two[0])
    for _ in range(2):
        with pytest.raises(error, match=message):
            predictor.reload(folder) if named else predictor.reload()
        assert_same_bits(predictor.predict_proba(ROWS), expected)
    assert repr(predictor) == shown
    if named:
        assert predictor.reload() is False


def test_a_model_file_alone_is_reloaded(tmp_path):
    card = tiny_card()
    path = write_model(tmp_path / "model.onnx", card)
    predictor = Predictor(path)
    assert predictor.reload() is False
    write_model(path, replace(card, threshold=0.9))
    assert predictor.reload() is True
    assert predictor.card.threshold == 0.9


def test_a_snapshot_keeps_its_model(two):
    predictor = Predictor(two[0])
    kept, expected = predictor.snapshot(), predictor.predict_proba(ROWS)
    predictor.reload(two[1])
    assert_same_bits(kept.predict_proba(ROWS), expected)
    assert kept.reload(two[1]) is True  # it has a path of its own as well
    assert_same_bits(kept.predict_proba(ROWS), predictor.predict_proba(ROWS))


def test_a_predictor_closed_during_a_reload_stays_closed(two, monkeypatch):
    predictor = Predictor(two[0])
    monkeypatch.setattr(predictor_module, "run_selftest", lambda *_: predictor.close())
    with suppress(ClosedError):
        predictor.reload(two[1])
    with pytest.raises(ClosedError, match="this Predictor is closed"):
        predictor.probability(ROWS)
