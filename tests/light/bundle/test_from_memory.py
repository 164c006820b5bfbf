"""Models that have no path: bytes, open files, resources of a package, in a zip file or not."""

import contextlib
import copy
import gzip
import importlib.resources
import io
import mmap
import pickle
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from light.helpers import TINY, assert_same_bits, flipped
from light.successors import ROWS, WEIGHTS, bundle_of
from serve_runtime import ArtifactError, CardError, Predictor
from serve_runtime.bundle import from_memory
from serve_runtime.errors import ClosedError

CONTENT = (TINY / "model.onnx").read_bytes()
X = np.random.default_rng(2).normal(0, 3, (300, 2)).astype(np.float32)


class Drip:
    """A file that gives a few bytes at a time, as a socket or a pipe may."""

    def __init__(self, content):
        self._inner = io.BytesIO(content)

    def read(self, size):
        return self._inner.read(min(size, 100))


def behind_a_header():
    file = io.BytesIO(b"header" + CONTENT)
    file.seek(6)
    return file


def mapped():
    found = mmap.mmap(-1, len(CONTENT))
    found[:] = CONTENT
    return found


def bytes_sources(folder, stack):
    """Every kind of object that holds the bytes of a model.onnx, by name."""
    (folder / "m.onnx").write_bytes(CONTENT)
    (folder / "m.onnx.gz").write_bytes(gzip.compress(CONTENT))
    with zipfile.ZipFile(folder / "m.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m.onnx", CONTENT)
    archive = stack.enter_context(zipfile.ZipFile(folder / "m.zip"))
    opened = [
        stack.enter_context(file)
        for file in (
            (folder / "m.onnx").open("rb"),
            (folder / "m.onnx").open("rb", buffering=0),
            gzip.GzipFile(folder / "m.onnx.gz"),
            archive.open("m.onnx"),
        )
    ]
    return {
        "bytes": CONTENT,
        "bytearray": bytearray(CONTENT),
        "memoryview": memoryview(CONTENT),
        "memoryview of a step": memoryview(bytes(b for c in CONTENT for b in (c, 0)))[::2],
        "BytesIO": io.BytesIO(CONTENT),
        "behind a header": behind_a_header(),
        "mmap": mapped(),
        "a few bytes at a time": Drip(CONTENT),
        "open file": opened[0],
        "unbuffered file": opened[1],
        "gzip": opened[2],
        "zip member": opened[3],
        "zip path": zipfile.Path(archive, "m.onnx"),
    }


@pytest.fixture(scope="module")
def expected():
    return Predictor(TINY).predict_proba(X)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield bytes_sources(tmp_path_factory.mktemp("memory"), stack)


NAMES = [
    "bytes", "bytearray", "memoryview", "memoryview of a step", "BytesIO", "behind a header",
    "mmap", "a few bytes at a time", "open file", "unbuffered file", "gzip", "zip member",
    "zip path",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_model_in_memory_scores_the_same(sources, expected, name):
    predictor = Predictor(sources[name], threads=2, selftest=True)
    twins = [pickle.loads(pickle.dumps(predictor)), copy.deepcopy(predictor), predictor.snapshot()]
    for one in (predictor, *twins):
        assert_same_bits(one.predict_proba(X), expected)
        assert one.card == Predictor(TINY).card
        assert repr(one) == repr(predictor)
        with pytest.raises(ArtifactError, match=r"was read from memory .* pass the new model"):
            one.reload()
        assert_same_bits(one.predict_proba(X), expected)
    assert len(repr(predictor)) < 200
    predictor.close()
    assert repr(predictor).endswith(", closed>")
    with pytest.raises(ClosedError, match="closed"):
        predictor.reload()


def test_bytes_that_change_afterwards_change_nothing(expected):
    content = bytearray(CONTENT)
    predictor = Predictor(content)
    content[:] = bytes(len(content))
    assert_same_bits(pickle.loads(pickle.dumps(predictor)).predict_proba(X), expected)


@pytest.fixture(params=["folder", "zip", "namespace"])
def package(request, tmp_path, monkeypatch):
    """A package with two bundles and a model file among its resources."""
    root = tmp_path / "root"
    inside = root / "served_models"
    inside.mkdir(parents=True)
    if request.param != "namespace":
        (inside / "__init__.py").touch()
    for name, weight in zip("ab", WEIGHTS, strict=True):
        bundle_of(tmp_path / name, weight)
        shutil.copytree(tmp_path / name, inside / name)
    shutil.copytree(TINY, inside / "tiny")
    place = root
    if request.param == "zip":
        place = Path(shutil.make_archive(tmp_path / "packed", "zip", root))
        shutil.rmtree(root)
    monkeypatch.syspath_prepend(place)
    monkeypatch.delitem(sys.modules, "served_models", raising=False)
    yield importlib.resources.files("served_models")
    sys.modules.pop("served_models", None)


def test_a_resource_is_a_model(package, expected):
    for resource in (package / "tiny", package / "tiny" / "model.onnx"):
        predictor = Predictor(resource, selftest=True)
        for one in (predictor, pickle.loads(pickle.dumps(predictor)), predictor.snapshot()):
            assert_same_bits(one.predict_proba(X), expected)
            assert str(resource).rstrip("/") in repr(one)
    assert len(Predictor(package / "tiny")._model.files) == 2


def test_a_reload_takes_models_of_every_kind(package, tmp_path):
    predictor = Predictor(package / "a")
    scores = [Predictor(tmp_path / name).probability(ROWS) for name in "ab"]
    content = (package / "b" / "model.onnx").read_bytes()
    for source, served, new in (
        (package / "b", 1, True),
        (package / "b", 1, False),
        (content, 1, True),  # one file of the two
        (io.BytesIO(content), 1, False),
        (tmp_path / "a", 0, True),
        (None, 0, False),
        (package / "b", 1, True),
    ):
        assert predictor.reload(source) is new
        assert_same_bits(predictor.probability(ROWS), scores[served])
    with pytest.raises((ArtifactError, CardError), match="whole ONNX file"):
        predictor.reload(content[:-9])
    with pytest.raises(TypeError, match="got int"):
        predictor.reload(3)
    with pytest.raises(ArtifactError, match="<bytes> has other feature_names"):
        predictor.reload(CONTENT)
    assert_same_bits(predictor.probability(ROWS), scores[1])


def test_a_resource_that_is_no_model_is_refused(package):
    with pytest.raises(ArtifactError, match=r"served_models.* is no bundle, it has no MANIFEST"):
        Predictor(package)
    for missing in (package / "nothing", package / "tiny" / "nothing"):
        with pytest.raises(ArtifactError, match=r"nothing"):
            Predictor(missing)


@pytest.mark.parametrize("name", ["MANIFEST.json", "model.onnx", "model.columnar.onnx"])
def test_a_damaged_bundle_in_a_zip_is_refused(tmp_path, name):
    for damage in (lambda content: flipped(content, len(content) // 2), lambda content: None):
        path = tmp_path / "b.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in TINY.iterdir():
                content = file.read_bytes()
                content = damage(content) if file.name == name else content
                if content is not None:
                    archive.writestr(f"bundle/{file.name}", content)
        named = rf"b\.zip.bundle/?.*{name.split('.')[0]}"
        with zipfile.ZipFile(path) as archive, pytest.raises(ArtifactError, match=named):
            Predictor(zipfile.Path(archive, "bundle/"))


def closed(file):
    file.close()
    return file


def at_its_end():
    file = io.BytesIO()
    file.write(CONTENT)
    return file


class Broken:
    def read(self, size):
        raise zipfile.BadZipFile("bad checksum")


REFUSED = {
    "no bytes": (b"", ArtifactError, "<bytes> carries no model card"),
    "truncated": (CONTENT[:-5], ArtifactError, "<bytes> is not a whole ONNX file"),
    "altered": (flipped(CONTENT, 100), ArtifactError, "<bytes> "),
    "a path as bytes": (bytes(TINY / "model.onnx"), ArtifactError, "pass its path as a str"),
    "at its end": (at_its_end(), ArtifactError, r"<BytesIO> has no bytes left .* seek\(0\)"),
    "closed": (
        closed(io.BytesIO(CONTENT)),
        ArtifactError,
        "cannot read <BytesIO>: ValueError: I/O",
    ),
    "broken": (Broken(), ArtifactError, "cannot read <Broken>: BadZipFile: bad checksum"),
    "text file": (io.StringIO("x"), TypeError, r'open\(path, "rb"\); reading <StringIO> gave str'),
    "NUL": ("a\0b", ArtifactError, r"cannot read 'a\\x00b': embedded null byte"),
    "model as text": (CONTENT.decode("latin-1"), ArtifactError, "cannot read "),
    "long name": ("a" * 9999, ArtifactError, r"cannot read a+… \([\d,]+ characters\) …"),
    "nothing there": ("nothing", ArtifactError, "nothing does not exist"),
    "None": (None, TypeError, "model must be the path of a bundle .*; got NoneType$"),
    "a number": (3, TypeError, "model must be the path of a bundle .*; got int$"),
    "a list": ([CONTENT], TypeError, "model must be the path of a bundle .*; got list$"),
    "an array": (np.frombuffer(CONTENT, np.uint8), TypeError, "; got ndarray$"),
    "a class": (io.BytesIO, ArtifactError, "cannot read <type>: TypeError"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_model_is_refused_in_few_words(name):
    model, error, message = REFUSED[name]
    with pytest.raises(error, match=message) as caught:
        Predictor(model)
    told = str(caught.value)
    assert len(told) < 500
    assert told.isprintable()


@pytest.mark.parametrize("make", [bytes, io.BytesIO, Drip])
def test_more_bytes_than_a_model_may_have_are_refused(monkeypatch, make):
    monkeypatch.setattr(from_memory, "MODEL_BYTES", len(CONTENT))
    assert Predictor(make(CONTENT)).n_features_in_ == 2
    monkeypatch.setattr(from_memory, "MODEL_BYTES", len(CONTENT) - 1)
    with pytest.raises(ArtifactError, match=r"cannot read <.*>: a model must have at most"):
        Predictor(make(CONTENT))


def test_an_endless_file_is_not_read_to_its_end(monkeypatch):
    class Endless:
        def read(self, size):
            return b"\0" * size

    monkeypatch.setattr(from_memory, "MODEL_BYTES", 1 << 20)
    with pytest.raises(ArtifactError, match="cannot read <Endless>: a model must have at most"):
        Predictor(Endless())


def test_no_message_holds_bytes_of_a_model():
    for at in range(0, len(CONTENT), 7):
        with pytest.raises((ArtifactError, CardError), match="<bytes>") as caught:
            Predictor(flipped(CONTENT, at))
        assert len(str(caught.value)) < 500
