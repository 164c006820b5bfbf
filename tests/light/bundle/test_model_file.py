import hashlib
import json
import pickle
import random
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from light.helpers import (
    TINY,
    accepted,
    card_field,
    field,
    flipped,
    graph_of,
    reseal,
    varint,
    write_model,
)
from serve_runtime import ArtifactError, CardError, Predictor
from serve_runtime.bundle.card import CARD_KEY, ModelCard
from serve_runtime.bundle.model_file import read_models
from serve_runtime.bundle.sealed_json import seal
from serve_runtime.features.column import number_columns

CONTENT = (TINY / "model.onnx").read_bytes()
MANIFEST = (TINY / "MANIFEST.json").read_bytes()
# onnx.ModelProto with ir_version 7 and producer_name, as another tool may write it.
FOREIGN = (
    varint(1 << 3) + varint(7) + field(2, b"pytorch") + field(14, field(1, b"a") + field(2, b"b"))
)


def test_a_bundle_is_its_two_graphs_with_one_card(card):
    rows, columns = read_models(TINY)
    assert (rows.layout, columns.layout) == ("rows", "columns")
    assert rows.card == columns.card == card
    assert (rows.path, rows.content) == (str(TINY / "model.onnx"), CONTENT)


def test_the_card_knows_the_digest_of_each_graph(card):
    for model in read_models(TINY):
        digest = hashlib.sha256(graph_of(model.content, card)).hexdigest()
        assert card.graph_sha256[model.layout] == digest


def test_a_model_file_of_any_name_knows_its_layout(tmp_path):
    path = tmp_path / "renamed"
    path.write_bytes((TINY / "model.columnar.onnx").read_bytes())
    assert [model.layout for model in read_models(path)] == ["columns"]


def test_no_single_changed_byte_of_a_model_is_accepted(tmp_path):
    path, masks = tmp_path / "model.onnx", random.Random(1)
    changed = (flipped(CONTENT, i, masks.randrange(1, 256)) for i in range(0, len(CONTENT), 3))
    assert accepted(path, changed, path) == []


def test_no_truncated_model_is_accepted(tmp_path):
    path = tmp_path / "model.onnx"
    lengths = [*range(0, len(CONTENT), 7), *range(len(CONTENT) - 100, len(CONTENT))]
    assert accepted(path, (CONTENT[:length] for length in lengths), path) == []


@given(st.binary(max_size=200))
@example(b"")
@example(FOREIGN)
@example(b"\xff" * 30)
@example(card_field("{}"))
@example(card_field(b"\xff"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_foreign_bytes_are_accepted(tmp_path, content):
    assert accepted(tmp_path / "any.onnx", [content], tmp_path / "any.onnx") == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "any.onnx "),
        (FOREIGN, f"carries no model card under '{CARD_KEY}': it was not written by"),
        (CONTENT[:-1], "any.onnx is not a whole ONNX file: it was truncated or altered"),
        (b"\x0b", "any.onnx is not a whole ONNX file"),
        (b"\x08\x07" * 300, "any.onnx is not a whole ONNX file: .*more than 256 fields"),
        (b"\x80" * 11, "any.onnx is not a whole ONNX file"),
        (b"\x09\x00", "any.onnx is not a whole ONNX file"),
        (b"\x0d\x00", "any.onnx is not a whole ONNX file"),
        (field(14, field(2, b"value without a key")), "any.onnx carries no model card under"),
        (card_field(b"\xff\xfe"), "any.onnx is not a whole ONNX file"),
        (flipped(CONTENT, CONTENT.index(b"features")), "any.onnx was altered since it was"),
    ],
)
def test_a_file_that_is_no_whole_model_says_so(tmp_path, content, message):
    path = tmp_path / "any.onnx"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=message):
        Predictor(path)


def test_a_card_of_another_version_is_refused(card, tmp_path):
    document = json.loads(card.to_json())
    del document["sha256"]
    text = seal({**document, "format_version": 1})
    with pytest.raises(CardError, match=r"the card in .*model.onnx has format version 1, this"):
        Predictor(write_model(tmp_path / "model.onnx", card, text=text))


def test_a_card_of_another_graph_is_refused(card, tmp_path):
    for digests in ({}, {"rows": "0" * 64}, {"columns": card.graph_sha256["columns"]}):
        path = write_model(tmp_path / "model.onnx", replace(card, graph_sha256=digests))
        with pytest.raises(ArtifactError, match="was altered since it was exported: its graph"):
            Predictor(path)


def test_a_card_of_another_width_is_refused(card, tmp_path):
    wide = replace(card, columns=number_columns("abc", (0,) * 3, (1,) * 3), golden=())
    with pytest.raises(ArtifactError, match=r"model.onnx takes 2 features, its card names 3: exp"):
        Predictor(write_model(tmp_path / "model.onnx", wide))


@pytest.mark.parametrize(
    ("named", "called"), [({"rows": "columns"}, "rows"), ({"x": "columns"}, "x"),
                          ({"columns": "columns", "rows": "columns"}, "columns', 'rows")]
)  # fmt: skip
def test_a_card_that_mistakes_the_layout_is_refused(card, tmp_path, named, called):
    digests = {layout: card.graph_sha256[true] for layout, true in named.items()}
    path = write_model(
        tmp_path / "model.onnx", replace(card, graph_sha256=digests), layout="columns"
    )
    with pytest.raises(
        ArtifactError, match=f"holds the columns graph, its card calls it .?{called}"
    ):
        Predictor(path)


@pytest.mark.parametrize("digest", ["0" * 64, "", 5, None, ["a"], "x" * 100_000])
def test_a_card_of_other_weights_is_refused(card, tmp_path, digest):
    path = write_model(tmp_path / "model.onnx", replace(card, weights_sha256=digest))
    held = card.weights_sha256[:12]
    shown = re.escape(str(digest)[:12])
    with pytest.raises(ArtifactError, match=f"the weights {held}…, its card was made for {shown}…"):
        Predictor(path)


@pytest.mark.parametrize("digest", [5, None, ["a"], {"a": {}}, "x" * 100_000])
def test_graph_digests_that_are_none_are_refused(card, tmp_path, digest):
    path = write_model(tmp_path / "model.onnx", replace(card, graph_sha256={"rows": digest}))
    with pytest.raises(ArtifactError, match="was altered since it was exported: its graph"):
        Predictor(path)


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"none does not exist: give a bundle folder or a"):
        Predictor(tmp_path / "none")
    with pytest.raises(ArtifactError, match=r"is no bundle, it has no MANIFEST.json: "):
        Predictor(tmp_path)


def test_a_run_is_no_bundle(tmp_path):
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(ArtifactError, match=r"this is a run: .* python -m export bundle"):
        Predictor(tmp_path)


def test_an_impossible_path_is_an_error_of_ours(tmp_path):
    with pytest.raises(ArtifactError, match="name too long"):
        Predictor(tmp_path / ("a" * 5000))


@pytest.mark.parametrize("name", ["MANIFEST.json", "model.onnx", "model.columnar.onnx"])
def test_an_incomplete_bundle_names_what_is_missing(bundle, name):
    (bundle / name).unlink()
    with pytest.raises(ArtifactError, match=f"(it has no |cannot read .*){name}: "):
        Predictor(bundle)
    (bundle / name).mkdir()
    with pytest.raises(ArtifactError, match=f"cannot read .*{name}: Is a directory"):
        Predictor(bundle)


def test_exchanged_models_are_refused(bundle):
    rows, columns, aside = (bundle / n for n in ("model.onnx", "model.columnar.onnx", "aside"))
    rows.rename(aside)
    columns.rename(rows)
    aside.rename(columns)
    with pytest.raises(ArtifactError, match=r"model.onnx is not the file that was exported"):
        Predictor(bundle)
    reseal(bundle)
    with pytest.raises(ArtifactError, match=r"model.onnx holds the columns graph, not the rows"):
        Predictor(bundle)


def test_the_card_of_both_files_is_parsed_once(bundle, monkeypatch):
    parse, parsed = ModelCard.from_json, []
    monkeypatch.setattr(
        ModelCard, "from_json", lambda text, **where: parsed.append(text) or parse(text, **where)
    )
    predictor = Predictor(bundle)
    assert len(parsed) == 1
    pickle.loads(pickle.dumps(predictor))
    assert len(parsed) == 2


def test_models_with_different_cards_are_refused(bundle, card):
    write_model(bundle / "model.onnx", replace(card, threshold=0.25))
    reseal(bundle)
    with pytest.raises(ArtifactError, match="carry different cards"):
        Predictor(bundle)
