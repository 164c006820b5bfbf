"""The rows on which models that encode their columns are proven."""

import numpy as np
import pytest

from export.parity.corpus import golden_features, golden_rows, proof_batches
from export.parity.encoded_model import EncodedModel, encode
from export.parity.mixed.texts import look_alikes, unseen
from export.parity.proof_rows import ProofBatch, digest
from pipeline.export.parity.mixed.random_batches import make
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.column import Column
from serve_runtime.features.encoding import Encoding
from serve_runtime.features.raw_rows import RawRows


def test_every_text_of_every_category_is_tried() -> None:
    model, _, batches = make()
    batch = batches["every level"]
    for column, texts in zip(model.encoding.categories, batch.rows.texts, strict=True):
        expected = {None, "", unseen(column), *column.levels, *column.rare, *column.missing_texts}
        assert expected <= {*texts}
        for level in column.levels:
            assert {*look_alikes(level)} <= {*texts}
    codes = encode(model.encoding, batch.rows).codes
    for column, found in zip(model.encoding.categories, codes, strict=True):
        tried = {*range(column.codes)} - ({column.rare_code} if not column.rare else set())
        assert tried == {*found.tolist()}


def test_of_every_level_the_logit_is_the_very_offset() -> None:
    model, _, batches = make(offset=1e4)
    batch = batches["every level"]
    exact, bound = model.reference(batch.rows)
    assert batch.exact is not None
    refused = np.isnan(batch.exact)
    assert (refused == np.isnan(exact)).all()
    assert 0 < refused.sum() < len(refused)
    assert (np.abs(batch.exact - exact) <= bound)[~refused].all()


def test_gaps_and_ends_of_precise_numbers() -> None:
    model, _, batches = make()
    missing = np.isnan(batches["gaps"].rows.numbers)
    assert missing.all(0).any()
    assert (missing.sum(0) == 1).sum() == len(missing)
    precise = batches["ends of precise numbers"].rows.numbers[-2:]
    for values, column, center in zip(
        precise, model.encoding.numbers[-2:], model.encoding.center, strict=True
    ):
        assert {column.low, column.high, center, np.nextafter(column.low, -np.inf)} <= {*values}


@pytest.mark.parametrize(
    "kind",
    [{}, {"numbers": 0, "precise": 0}, {"categories": 0}, {"numbers": 0}, {"precise": 0}],
)
def test_rows_are_the_same_each_time(kind: dict[str, int]) -> None:
    _, _, batches = make(**kind)
    assert digest(list(batches.values())) == digest(list(make(**kind)[2].values()))
    assert all(len(batches[f"batch of {n}"].rows) == n for n in range(34))


def test_the_digest_knows_every_text_and_number() -> None:
    _, _, batches = make()
    whole = list(batches.values())
    rows = batches["random rows"].rows
    found = {digest(whole)}
    for name in ("numbers", "texts"):
        numbers, texts = rows.numbers.copy(), list(rows.texts)
        if name == "numbers":
            numbers[-1, 3] = np.nextafter(np.nan_to_num(numbers[-1, 3]), np.inf)
        else:
            texts[0] = (*texts[0][:-1], "another")
        other = type(rows)(numbers, tuple(texts))
        found.add(digest([ProofBatch("random rows", other), *whole[2:]]))
    assert len(found) == 3


def test_golden_rows_hold_gaps_and_unknown_levels() -> None:
    model, card, _ = make()
    rows = golden_rows(card, model)
    features = golden_features(card, rows)
    assert len(features) == 8
    assert any(None in row for row in features)
    exact, _ = model.reference(rows)
    assert np.isfinite(exact).all()
    codes = encode(model.encoding, rows).codes
    assert any((found == 0).any() for found in codes)
    assert any(
        (found == column.missing_code).any()
        for column, found in zip(model.encoding.categories, codes, strict=True)
    )


def test_a_category_is_not_gone_through_for_each_level(monkeypatch: pytest.MonkeyPatch) -> None:
    listed, code_by_text = list[Column](), Column.code_by_text

    def code_by_text_counted(column: Column) -> dict[str, int]:
        listed.append(column)
        return code_by_text(column)

    monkeypatch.setattr(Column, "code_by_text", code_by_text_counted)
    levels = tuple(sorted(f"level {i}" for i in range(3000)))
    column = Column("a", "category", levels=levels, counts=(1,) * len(levels), missing="unknown")
    encoding = Encoding((column,), *np.zeros((3, 0), np.float32), (np.zeros(3003, np.float32),))
    model = EncodedModel(Affine(np.zeros(0, np.float32), 0.0), encoding)
    card = ModelCard((column,), (0, 1), "0" * 64)
    batches = proof_batches(card, model, RawRows(np.zeros((0, 1)), (("level 1",),)))
    golden_rows(card, model)
    assert max(len(batch.rows) for batch in batches) > 5 * len(levels)
    assert len(listed) < 100, "thousands of times take minutes"


def test_look_alikes_are_other_texts() -> None:
    assert {"3.0", " 3", "03", "+3"} <= {*look_alikes("3")}
    assert "3" in look_alikes("3.0")
    assert "cafe\u0301" in look_alikes("caf\u00e9")
    assert "caf\u00e9" in look_alikes("cafe\u0301")
    column = Column("a", "category", levels=("never seen in training",), counts=(1,))
    assert unseen(column) == "never seen in training?"
