"""A bundle is read whole while another process replaces it."""

import shutil
import threading

import pytest

from light.helpers import TINY
from light.successors import WEIGHTS, bundle_of
from serve_runtime import ArtifactError, Predictor
from serve_runtime.bundle import model_file, replaced
from serve_runtime.bundle.manifest import MANIFEST
from serve_runtime.bundle.model_file import MODEL_FILES, read_models
from serve_runtime.outputs import rename
from serve_runtime.outputs.new_folder import new_folder


@pytest.mark.parametrize("exchange", [True, False], ids=["renameat2", "two renames"])
def test_every_open_of_a_bundle_being_replaced_succeeds(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(rename, "_load", lambda: None)
    two = [bundle_of(tmp_path / name, w) for name, w in zip("ab", WEIGHTS, strict=True)]
    contents = [[file.content for file in read_models(bundle)] for bundle in two]
    path, stop, seen = tmp_path / "served", threading.Event(), []
    shutil.copytree(two[0], path)

    def read():
        while not stop.is_set():
            try:
                seen.append(contents.index([file.content for file in read_models(path)]))
            except Exception as reason:
                seen.append(reason)

    reading = threading.Thread(target=read)
    reading.start()
    for turn in range(300):
        with new_folder(path, marker=MANIFEST, force=True) as folder:
            shutil.copytree(two[1 - turn % 2], folder, dirs_exist_ok=True)
    stop.set()
    reading.join()
    assert set(seen) == {0, 1}


def test_a_bundle_replaced_between_two_files_is_read_again(bundle, tmp_path, monkeypatch):
    other = bundle_of(tmp_path / "other", WEIGHTS[0])
    expected = [file.content for file in read_models(other)]
    read_bytes, replaced_once = model_file.read_bytes, []

    def replace_before_the_second(path, most=None):
        if path.endswith(MODEL_FILES["columns"]) and not replaced_once:
            replaced_once.append(bundle.rename(tmp_path / "old"))
            other.rename(bundle)
        return read_bytes(path, most)

    monkeypatch.setattr(model_file, "read_bytes", replace_before_the_second)
    assert [file.content for file in read_models(bundle)] == expected
    assert replaced_once


def test_a_damaged_bundle_is_read_once(bundle, monkeypatch):
    (bundle / "model.onnx").write_bytes(b"damaged")
    monkeypatch.setattr(replaced.time, "sleep", lambda _: pytest.fail("it was read again"))
    with pytest.raises(ArtifactError, match="is not the file that was exported"):
        Predictor(bundle)


def test_a_bundle_that_a_killed_process_moved_aside_is_named(tmp_path):
    shutil.copytree(TINY, tmp_path / ".served.part.old")
    with pytest.raises(ArtifactError, match=r"was moved to .*/\.served\.part\.old by a process "):
        Predictor(tmp_path / "served")
