"""Damaged and random bytes are refused, or are a model that export might have written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light.bundle.random_models import MODELS, random_affine
from light.helpers import flipped
from serve_runtime import ArtifactError
from serve_runtime.arrays import ROWS
from serve_runtime.bundle.onnx_graph import read_graph, write_model
from serve_runtime.bundle.protobuf_wire import MOST_FIELDS, field

MODEL = MODELS[ROWS, False]


def spliced(draw):
    """Pieces of good models, of random bytes and of random fields, in any order."""
    pieces = []
    for _ in range(draw(st.integers(1, 4))):
        model = draw(st.sampled_from(list(MODELS.values())))
        start, stop = sorted(draw(st.tuples(*[st.integers(0, len(model))] * 2)))
        random_field = field(
            draw(st.integers(1, 30)), draw(st.binary(max_size=40) | st.integers(0, 99))
        )
        pieces.append(draw(st.sampled_from([model[start:stop], model, random_field])))
        pieces.append(draw(st.binary(max_size=4)))
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x0b", "wire type 3"),
        (b"\x0e", "wire type 6"),
        (b"\x08", "a number that does not end"),
        (b"\x80" * 30, "a number that does not end"),
        (b"\x08" + b"\xff" * 10, "a number that does not end"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "longer than its message"),
        (b"\x09\0\0\0\0\0\0\0", "longer than its message"),
        (b"\x0d\0\0\0", "longer than its message"),
        (b"\x08\x07" * (MOST_FIELDS + 1), f"more than {MOST_FIELDS} fields"),
        (b"\x08\x07" * 10_000_000, f"more than {MOST_FIELDS} fields"),
        (field(7, field(1, b"") * (MOST_FIELDS + 1)), f"more than {MOST_FIELDS} fields"),
        (field(7, field(5, field(1, 1) * 300)), f"more than {MOST_FIELDS} fields"),
        (field(7, b"\x2a\x05"), "longer than its message"),
        (MODEL[:-1], "longer than its message"),
    ],
)
def test_what_is_no_message_is_refused_at_once(content, message):
    with pytest.raises(ArtifactError, match=f"is not a whole ONNX file: .*{message}"):
        read_graph(content, "model.onnx")


@pytest.mark.parametrize(("layout", "centered"), MODELS)
def test_of_all_single_bit_flips_only_other_constants_are_read(layout, centered):
    """And the digests of the card tell those (test_artifact)."""
    affine, model = random_affine(centered=centered), MODELS[layout, centered]
    read = 0
    for position in range(len(model)):
        for bit in range(8):
            evil = flipped(model, position, 1 << bit)
            try:
                found_layout, found = read_graph(evil, "model.onnx")
            except ArtifactError:
                continue
            assert found.sha256() != affine.sha256()
            assert write_model(found, found_layout) == evil
            read += 1
    constants = 4 * (7 if centered else 4)
    assert 0.9 * 8 * constants < read <= 8 * constants


@pytest.mark.parametrize(("layout", "centered"), MODELS)
def test_no_truncation_is_read(layout, centered):
    model = MODELS[layout, centered]
    for length in range(len(model)):
        with pytest.raises(ArtifactError, match=r"holds another|is not a whole ONNX file"):
            read_graph(model[:length], "model.onnx")


@given(st.binary(max_size=300) | st.composite(spliced)())
@settings(max_examples=400)
def test_any_bytes_are_refused_or_a_model_of_ours(content):
    try:
        layout, affine = read_graph(content, "model.onnx")
    except ArtifactError:
        return
    assert write_model(affine, layout) == content
