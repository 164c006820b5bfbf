"""The torch files of models that encode their columns: what they take, and what they refuse."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.harness.random_run import random_mixed
from export.formats import torch_export, torchscript
from export.parity.corpus import proof_batches
from export.parity.encoded_model import EncodedModel, encode
from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.raw_rows import RawRows

Kind = tuple[int, int, int] | tuple[int, int, int, set[int]]
BENT: tuple[Kind, ...] = ((3, 2, 3, {0, 1, 4}), (2, 0, 0, {0, 1}), (0, 2, 1, {0, 1}))
KINDS: tuple[Kind, ...] = (
    (3, 2, 3), (0, 0, 2), (2, 0, 0), (0, 2, 0), (1, 0, 1), (0, 1, 1),
)  # fmt: skip
"""Numbers, precise numbers and categories; and which numbers are bent."""


def make(kind: Kind, seed: int = 0) -> tuple[EncodedModel, ModelCard, RawRows]:
    numbers, precise, categories, *bent = kind
    trained, card, rows = random_mixed(
        numbers, precise, categories, seed=seed, bent=set().union(*bent)
    )
    encoding = trained.encoding()
    assert encoding is not None
    return EncodedModel(trained.affine(), encoding), card, rows


def script(content: bytes) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit, see torchscript
        return torch.jit.load(io.BytesIO(content))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", [torchscript, torch_export])
def test_a_file_scores_raw_rows(tmp_path: Path, kind: Kind, code: Any) -> None:
    model, card, rows = make(kind)
    (tmp_path / "file").write_bytes(code.build(model.affine, card, model.encoding))
    artifact = code.load(tmp_path / "file")
    artifact.require_own_program()
    assert artifact.encoding.values() == model.encoding.values()
    exact, bound = model.reference(rows)
    for count in (0, 1, 2, len(rows)):
        logit, probability = artifact.score(rows.take(range(count)))
        assert logit.dtype == probability.dtype == np.float32
        assert (np.abs(logit - exact[:count]) <= bound[:count]).all()


@pytest.mark.parametrize(
    ("kind", "code"),
    [*((kind, torchscript) for kind in BENT), *((kind, torch_export) for kind in BENT[:2])],
)
def test_bent_numbers_are_looked_up_as_defined(tmp_path: Path, kind: Kind, code: Any) -> None:
    """At every knot, its neighbours, zeros, NaN and the largest values, in any batch: the logit is
    the very offset where other numbers add nothing."""
    model, card, rows = make(kind)
    (tmp_path / "file").write_bytes(code.build(model.affine, card, model.encoding))
    artifact = code.load(tmp_path / "file")
    artifact.require_own_program()
    assert artifact.encoding.values() == model.encoding.values()
    batches = {batch.name: batch.rows for batch in proof_batches(card, model, rows)}
    every = batches["every segment"]
    if not model.affine.weight.any():
        every = RawRows.joined([every, batches["gaps"], batches["random rows"].take(range(99))])
    expected = model.offsets(every).view(np.uint32)
    refused = np.isnan(model.offsets(every))
    for count in (0, 1, 2, 7, len(every)):
        logit, _ = artifact.score(every.take(range(count)))
        assert ((logit.view(np.uint32) == expected[:count]) | refused[:count]).all()
        assert (np.isnan(logit) == refused[:count]).all()


@pytest.mark.parametrize("kind", KINDS[:2])
def test_the_bytes_do_not_depend_on_what_was_exported_before(kind: Kind) -> None:
    model, card, _ = make(kind)
    first = torchscript.build(model.affine, card, model.encoding)
    other, other_card, _ = make((2, 1, 2), seed=4)
    torchscript.build(other.affine, other_card, other.encoding)
    assert torchscript.build(model.affine, card, model.encoding) == first
    assert str(Path(__file__).parents[4]).encode() not in first


def test_torchscript_encodes_texts() -> None:
    model, card, rows = make((3, 2, 3))
    module = script(torchscript.build(model.affine, card, model.encoding))
    texts = [
        ["" if text is None else text for text in row] for row in zip(*rows.texts, strict=True)
    ]
    codes = module.encode(texts)
    assert codes.dtype == torch.int64
    np.testing.assert_array_equal(codes.numpy().T, np.stack(encode(model.encoding, rows).codes))
    strange = [["cafe\u0301", "caf\u00e9", "3.0 "], ["never", "", "?"]]
    expected = encode(model.encoding, RawRows(np.zeros((5, 2)), tuple(zip(*strange, strict=True))))
    np.testing.assert_array_equal(module.encode(strange).numpy().T, np.stack(expected.codes))
    assert module.encode([]).shape == (0, 3)
    with pytest.raises(Exception, match="row 1 has 2 texts; required is one for each of the 3"):
        module.encode([["a", "b", "c"], ["a", "b"]])


@pytest.mark.parametrize("code", [-1, 1 << 40, "one past the last"])
@pytest.mark.parametrize("category", [0, 1])
@pytest.mark.parametrize("kind", ["TorchScript", "pt2"])
def test_a_code_outside_its_range_is_an_error(kind: str, category: int, code: Any) -> None:
    model, card, _ = make((0, 0, 2))
    build = torchscript.build if kind == "TorchScript" else torch_export.build
    content = build(model.affine, card, model.encoding)
    module = (
        script(content)
        if kind == "TorchScript"
        else torch.export.load(io.BytesIO(content)).module()
    )
    codes = torch.zeros(3, 2, dtype=torch.int64)
    module(codes)
    codes[1, category] = code if isinstance(code, int) else len(model.encoding.tables[category])
    with pytest.raises((IndexError, RuntimeError), match="index out of range"):
        module(codes)
