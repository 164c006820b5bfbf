import json
from dataclasses import FrozenInstanceError, asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light.helpers import flipped
from serve_runtime import CardError, GoldenRow, ModelCard
from serve_runtime.bundle.sealed_json import seal
from serve_runtime.features.column import number_columns

finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(0, 1e6, exclude_min=True)
labels = st.one_of(
    st.tuples(st.text(), st.text()),
    st.tuples(*[st.integers(-(2**62), 2**62)] * 2),
    st.tuples(finite, finite),
    st.just((False, True)),
).filter(lambda pair: pair[0] != pair[1])
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@st.composite
def cards(draw):
    names = tuple(draw(st.lists(st.text(min_size=1), min_size=1, max_size=4, unique=True)))
    row = st.tuples(*[finite] * len(names))
    golden = st.builds(GoldenRow, row, finite, st.floats(0, 1), positive)
    return ModelCard(
        columns=number_columns(names, draw(row), draw(row)),
        classes=draw(labels),
        weights_sha256=draw(st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
        threshold=draw(st.floats(0, 1)),
        training=draw(st.dictionaries(st.text(), plain)),
        golden=tuple(draw(st.lists(golden, max_size=3))),
    )


@settings(max_examples=50)
@given(cards())
def test_a_card_survives_json_and_always_gives_the_same_text(card):
    text = card.to_json()
    again = ModelCard.from_json(text)
    assert again == card
    assert again.to_json() == text
    assert text.isascii()


def test_labels_keep_their_types(card):
    for pair in ((0, 1), (0.0, 1.0), (False, True), ("0", "1")):
        again = ModelCard.from_json(replace(card, classes=pair).to_json())
        assert [type(label) for label in again.classes] == [type(label) for label in pair]


def test_a_card_cannot_be_changed(card):
    with pytest.raises(FrozenInstanceError, match="threshold"):
        card.threshold = 0.1


def golden(card, **changes):
    return (replace(card.golden[0], **changes),)


INVALID = [
    ("columns is empty", {"columns": ()}),
    ("a column is none", {"columns": ("x1", "x2")}),
    ("two columns have the same name", {"columns": number_columns(["x1", "x1"], [0, 0], [1, 1])}),
    ("classes has 3 labels, not 2", {"classes": (0, 1, 2)}),
    ("a class label is no scalar", {"classes": (0, None)}),
    ("the two class labels are the same", {"classes": ("a", "a")}),
    ("the two class labels are the same", {"classes": (1, True)}),
    ("threshold", {"threshold": 1.5}),
    ("threshold", {"threshold": -0.1}),
    ("threshold", {"threshold": float("nan")}),
    ("threshold", {"threshold": "0.5"}),
    ("dialect", {"dialect": [";"]}),
    ("format_version is 1", {"format_version": 1}),
    # What a card that contradicts itself could do to those who read it.
    ("class", {"classes": ("a", 1)}),
    ("class", {"classes": (float("nan"), 1.0)}),
    ("no type holds both class labels", {"classes": (0, 2**63 + 1)}),
    ("no type holds both class labels", {"classes": (0.5, 2**53 + 1)}),
    ("no type holds both class labels", {"classes": (False, 2)}),
    ("no type holds both class labels", {"classes": ("a", "\ud800")}),
    ("training", {"training": ["rows", 5]}),
    ("graph_sha256", {"graph_sha256": ["rows"]}),
]


@pytest.mark.parametrize(("message", "change"), INVALID)
def test_an_invalid_card_cannot_be_made(card, message, change):
    with pytest.raises(CardError, match=message):
        replace(card, **change)


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("does not match the columns", {"features": (1.0,)}),
        ("golden row is not finite", {"features": (1.0, float("inf"))}),
        ("golden row is not finite", {"logit": float("nan")}),
        ("golden row is not finite", {"probability": None}),
        ("golden row is not finite", {"logit_bound": float("inf")}),
        ("golden row", {"logit_bound": -1.0}),  # under which every logit would pass
        ("golden row", {"logit_bound": 0.0}),
        ("golden row", {"probability": 1.5}),
    ],
)
def test_an_invalid_golden_row_cannot_be_made(card, message, change):
    with pytest.raises(CardError, match=message):
        replace(card, golden=golden(card, **change))


def sealed_card(card, **changes):
    columns = [column.to_document() for column in card.columns]
    document = {**asdict(card), "columns": columns, **changes}
    return seal({name: value for name, value in document.items() if value != "absent"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": "absent"}, "lacks or adds fields: 'threshold'"),
        ({"extra": 1}, "lacks or adds fields: 'extra'"),
        ({"columns": 5}, "not usable"),
        ({"columns": "ab"}, "not usable"),
        ({"columns": [5, 6]}, "not usable"),
        ({"columns": [{"name": "x1", "low": 0, "high": 1}] * 2}, "two columns have the same name"),
        ({"columns": [{"name": "x1", "low": 0, "high": 1, "gaps": 0}]}, "need not state"),
        ({"columns": [{"name": "x1", "low": 0, "high": 1, "levels": "ab"}]}, "levels is no list"),
        ({"classes": [[0], 1]}, "not usable: model card: a class label is no scalar"),
        ({"golden": [{"features": [1, 2]}]}, "not usable: .*missing 3 required"),
        ({"golden": [{}]}, "not usable: 'features'"),
        ({"golden": [5]}, "not usable"),
        ({"golden": 5}, "not usable"),
        ({"columns": [{"name": "x1", "low": 0, "high": 10**400}]}, "not usable"),
        ({"graph_sha256": ["rows"]}, "not usable"),
        ({"training": 5}, "not usable"),
        ({"format_version": 1}, r"format version 1, this installation reads version 2: use"),
        ({"format_version": "1"}, r"format version '1', this installation reads version 2"),
        ({"format_version": True}, r"format version True, this installation reads version 2"),
        ({"format_version": "absent"}, "has no format_version: it was not written by this project"),
    ],
)
def test_a_sealed_text_that_is_no_card_is_refused(card, change, message):
    with pytest.raises(CardError, match=f"the card of a.onnx .*{message}"):
        ModelCard.from_json(sealed_card(card, **change), where="the card of a.onnx")


@pytest.mark.parametrize(
    "alter",
    [
        lambda text: text.replace('"threshold":0.5', '"threshold":0.4'),
        lambda text: text.replace('"threshold":0.5', '"threshold":0.50'),
        lambda text: text.replace('"threshold":0.5', '"threshold":NaN'),
        lambda text: text.replace('"threshold":0.5', '"threshold":0.5,"threshold":0.5'),
        lambda text: text + "\n",
        lambda text: json.dumps(json.loads(text)),
        lambda text: json.dumps({**json.loads(text), "sha256": None}),
        lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k != "sha256"}),
    ],
)
def test_an_altered_card_is_refused(card, alter):
    with pytest.raises(CardError, match="the model card was altered since it was written"):
        ModelCard.from_json(alter(card.to_json()))


def test_no_card_loses_or_changes_a_byte_unnoticed(card):
    content = card.to_json().encode()
    changed = [content[:length] for length in range(len(content))]
    changed += [flipped(content, position, 1) for position in range(len(content))]
    accepted = []
    for number, candidate in enumerate(changed):
        try:
            ModelCard.from_json(candidate.decode())
        except CardError:
            continue
        accepted.append(number)
    assert accepted == []


def test_a_crowd_of_golden_rows_is_refused(card):
    assert len(replace(card, golden=card.golden[:1] * 256).golden) == 256
    with pytest.raises(CardError, match="more than 256 golden rows"):
        replace(card, golden=card.golden[:1] * 257)
