"""Files that somebody made to pass: every digest fits, or they are no files at all."""

import hashlib
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light.helpers import TINY, card_field, field, flipped, graph_of, tiny_card, varint
from serve_runtime import ArtifactError, CardError, Predictor
from serve_runtime.bundle import manifest, model_file
from serve_runtime.bundle.card import CARD_KEY
from serve_runtime.bundle.manifest import MANIFEST_BYTES, read_bytes
from serve_runtime.bundle.model_file import MODEL_BYTES, parse_model
from serve_runtime.bundle.onnx_graph import read_graph, write_model

CONTENT = (TINY / "model.onnx").read_bytes()
CARD_TEXT = field(2, tiny_card().to_json().encode())
CARD = card_field(tiny_card().to_json())
MODEL = CONTENT.removesuffix(CARD)


def sealed_file(card, model, **changes):
    """A model file whose card knows the digest of `model`, as its rows graph."""
    digests = {"rows": hashlib.sha256(model).hexdigest()}
    return model + card_field(replace(card, graph_sha256=digests, **changes).to_json())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"Exp", b"Abs", r"graph.node\[3\].op_type is 'Abs', not 'Exp'.* Sub, Gemm, Add, Exp, Div"),
        (b"\x10\x0d", b"\x10\x0e", "opset_import.0..version is 14, not 13"),
        (b"\x08\x07", b"\x08\x08", "another ir_version than export writes: ir_version is 8, not 7"),
        (b"batch", b"patch", r"graph.input\[0\].*dim_param is 'patch', not 'batch'"),
    ],
)
def test_a_foreign_graph_is_refused_though_its_card_fits(card, tmp_path, old, new, message):
    path, model = tmp_path / "model.onnx", graph_of(CONTENT, card)
    path.write_bytes(sealed_file(card, model))
    assert Predictor(path).n_features_in_ == 2
    assert old in model
    path.write_bytes(sealed_file(card, model.replace(old, new, 1)))
    with pytest.raises(ArtifactError, match=message):
        Predictor(path)


def test_no_bit_flip_is_accepted_though_its_card_fits(card):
    model = graph_of(CONTENT, card)
    for position in range(len(model)):
        evil = sealed_file(card, flipped(model, position, 1 << position % 8))
        with pytest.raises(ArtifactError, match=r"than export|whole ONNX|holds the weights"):
            parse_model(Path("model.onnx"), evil)


def test_another_model_with_its_own_card_is_another_model(card, tmp_path):
    """No digest in a file can tell who wrote it (docs/security.md)."""
    path = tmp_path / "model.onnx"
    layout, affine = read_graph(graph_of(CONTENT, card), "model.onnx")
    affine = replace(affine, bias=0.0)
    model = write_model(affine, layout)
    path.write_bytes(sealed_file(card, model, weights_sha256=affine.sha256(), golden=()))
    assert Predictor(path).decision_function([[0.0, 0.0]]) == 0


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (CONTENT + CARD, "'serve_runtime.card'"),
        (
            CONTENT + field(14, field(1, b"more") + field(2, b"x")),
            "'serve_runtime.card', 'more'",
        ),
        (CONTENT + varint(1 << 3) + varint(7), "'serve_runtime.card'"),
        (CONTENT + varint(14 << 3) + varint(7), "'serve_runtime.card'"),
        (CARD + MODEL, "'serve_runtime.card'"),
        (MODEL + field(14, CARD_TEXT + field(1, CARD_KEY.encode())), "'serve_runtime.card'"),
        (MODEL + field(14, field(1, CARD_KEY.encode()) + CARD_TEXT + field(3, b"")), "'serve_r"),
        (MODEL + field(14, field(1, b"\xff")) + CARD, "'\ufffd', 'serve_runtime.card'"),
    ],
)
def test_metadata_besides_the_one_card_is_refused(tmp_path, content, named):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=f"end with its card, and hold no .* holds {named}"):
        Predictor(path)


def test_metadata_before_the_graph_is_refused(card, tmp_path):
    path = tmp_path / "model.onnx"
    model = field(14, field(1, b"more") + field(2, b"x")) + graph_of(CONTENT, card)
    path.write_bytes(sealed_file(card, model))
    with pytest.raises(ArtifactError, match=r"metadata_props\[0\] is there .* of ir_version"):
        Predictor(path)


@given(st.data())
@settings(max_examples=300)
def test_an_edited_file_is_refused_or_the_same_model(data):
    """Flips, cuts, insertions and repetitions, anywhere; the model file and its card alike."""
    content = data.draw(st.sampled_from([CONTENT, (TINY / "model.columnar.onnx").read_bytes()]))
    edited = content
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(edited)))
        stop = data.draw(st.integers(start, min(len(edited), start + 40)))
        put = data.draw(st.binary(max_size=12) | st.just(edited[start:stop] * 2))
        edited = edited[:start] + put + edited[stop:]
    try:
        found = parse_model(Path("model.onnx"), edited)
    except (ArtifactError, CardError):
        return
    assert found.content == content


# What is no file, or no file of ours, is not read.


def test_a_file_of_absurd_size_is_refused_before_it_is_read(tmp_path, bundle):
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a sparse file: no machine could read it
    shown = f"at most {MODEL_BYTES:,} bytes; it has 1,099,511,627,776"
    with pytest.raises(ArtifactError, match=rf"cannot read .*model.onnx: .* {shown}"):
        Predictor(path)
    path.replace(bundle / "model.columnar.onnx")
    with pytest.raises(ArtifactError, match=rf"cannot read .*model.columnar.onnx: .* {shown}"):
        Predictor(bundle)
    (bundle / "model.columnar.onnx").replace(bundle / "MANIFEST.json")
    with pytest.raises(ArtifactError, match=rf"cannot read .*at most {MANIFEST_BYTES:,} bytes"):
        Predictor(bundle)


def test_a_model_of_a_million_features_stays_below_the_limit():
    """With a centre, two golden rows, and names of 24 letters in the card and in its recipe."""
    value, name = "-1.2345678901234567e-101", "n" * 24
    card = 4 * len(f"{value}, ") + 2 * len(f'"{name}",')
    assert 1_000_000 * (8 + card) < MODEL_BYTES


def test_the_limit_itself_is_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == read_bytes(path) == b"12345"
    with pytest.raises(ArtifactError, match="at most 4 bytes; it has 5: it was not written by"):
        read_bytes(path, 4)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
@pytest.mark.parametrize("name", ["model.onnx", "MANIFEST.json"])
def test_a_pipe_or_device_is_refused_at_once(bundle, name):
    path = bundle / name
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ArtifactError, match=f"cannot read .*{name}: it must be a plain file"):
        Predictor(bundle)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(ArtifactError, match=f"cannot read .*{name}: it must be a plain file"):
        Predictor(bundle)
    with pytest.raises(ArtifactError, match="cannot read /dev/zero: it must be a plain file"):
        Predictor("/dev/zero")


def test_a_link_to_a_file_is_that_file(bundle, tmp_path):
    (tmp_path / "current").symlink_to(bundle)
    (bundle / "aside").write_bytes(CONTENT)
    (bundle / "model.onnx").unlink()
    (bundle / "model.onnx").symlink_to("aside")
    assert Predictor(tmp_path / "current").n_features_in_ == 2


def test_no_byte_is_read_twice(bundle, monkeypatch):
    """What was hashed is what is used, though the files change right after they were read."""
    read = manifest.read_bytes

    def read_and_spoil(path, most=None):
        content = read(path, most)
        Path(path).write_bytes(b"spoilt")
        return content

    monkeypatch.setattr(model_file, "read_bytes", read_and_spoil)
    assert Predictor(bundle).n_features_in_ == 2


META = field(14, field(1, b"k") + field(2, b"v"))
CROWDED = {
    "keys": META * (4_000_000 // len(META)),
    "empty entries": b"\x72\x00" * 2_000_000,
    "keys in one entry": field(14, b"\x0a\x00" * 2_000_000),
    "values in one entry": field(14, field(1, CARD_KEY.encode()) + b"\x12\x00" * 2_000_000),
    "cards": field(14, field(1, CARD_KEY.encode()) + field(2, b"")) * 160_000,
    "deep JSON": card_field("[" * 4_000_000),
    "deep objects": card_field('{"a":' * 800_000),
    "many digits": card_field('{"format_version":' + "9" * 4_000_000 + "}"),
}


@pytest.mark.parametrize("name", CROWDED)
def test_reading_a_crowded_file_takes_little_memory(name):
    content = MODEL + CROWDED[name]
    tracemalloc.start()
    try:
        with pytest.raises((ArtifactError, CardError)) as caught:
            parse_model("m.onnx", content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(content)
    assert len(str(caught.value)) < 500
