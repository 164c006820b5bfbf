"""Which labels make two classes, and which of the two is the positive one."""

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from serve_runtime.arrays import label_array
from serve_runtime.errors import ServeError
from train.errors import DataError
from train.recipe.keys import Data
from train.tables.labels import Classes, LabelColumn
from train.tables.table import load_table


def find_classes(values, positive, source: str) -> Classes:
    return LabelColumn.of(values, source).classes(positive, source)


def encode(classes: Classes, values, source: str) -> np.ndarray:
    return LabelColumn.of(values, source).encode(classes, source)


ORDERED = [
    (["0", "1", "0"], (0, 1)),
    (["1", "0"], (0, 1)),
    ([1, 0, 1], (0, 1)),
    (["-1", "1"], (-1, 1)),
    (["+1", "-1"], (-1, 1)),
    (["2", "1"], (1, 2)),
    (["1.0", "0.0"], (0, 1)),
    ([1.0, 2.0], (1, 2)),
    (["0.5", "-0.5"], (-0.5, 0.5)),
    ([True, False], (False, True)),
    (["10", "9"], (9, 10)),
    ([1.5, 1.0], (1, 1.5)),
    (["-0.5", "-1"], (-1, -0.5)),
    ([1e20, 0.0], (0, 1e20)),
    (["True", "False"], ("False", "True")),
    (["yes", "no"], ("no", "yes")),
    (["Yes", "No"], ("No", "Yes")),
    (["N", "Y"], ("N", "Y")),
    (["t", "f"], ("f", "t")),
    (["negative", "positive"], ("negative", "positive")),
    (["POS", "NEG"], ("NEG", "POS")),
    (["pass", "fail"], ("fail", "pass")),
]


@pytest.mark.parametrize(("values", "classes"), ORDERED, ids=[str(v) for v, _ in ORDERED])
def test_labels_whose_order_is_beyond_doubt(values, classes):
    found = find_classes(values, None, "t.csv")
    assert found.labels == classes
    assert [type(label) for label in found.labels] == [type(label) for label in classes]
    codes = encode(found, values, "t.csv")
    assert codes.dtype == np.float32
    assert [found.labels[int(code)] for code in codes] == [
        classes[str(v).casefold() == str(values[codes.argmax()]).casefold()] for v in values
    ]


def test_one_is_the_positive_class_of_0_and_1():
    classes = find_classes(["0", "1", "1", "0"], None, "t.csv")
    assert encode(classes, ["0", "1", "1", "0"], "t.csv").tolist() == [0, 1, 1, 0]


def test_numbers_written_differently_are_the_same_label():
    classes = find_classes(["1", "1.0", "0", " 0", "1e0"], None, "t.csv")
    assert classes == Classes((0, 1))
    assert encode(classes, ["1", "1.0", "0", " 0", "1e0"], "t.csv").tolist() == [1, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("values", "positive", "classes"),
    [
        (["spam", "ham"], "spam", ("ham", "spam")),
        (["spam", "ham"], "ham", ("spam", "ham")),
        (["yes", "no"], "no", ("yes", "no")),
        (["0", "1"], 0, (1, 0)),
        (["0", "1"], "0", (1, 0)),
        ([0.0, 1.0], "1", (0, 1)),
        (["1", "2"], 1.0, (2, 1)),
        ([True, False], False, (True, False)),
        ([True, False], "true", (False, True)),
        (["true", "false"], True, ("false", "true")),
        (["<=50K", ">50K"], ">50K", ("<=50K", ">50K")),
    ],
)
def test_positive_decides(values, positive, classes):
    assert find_classes(values, positive, "t.csv").labels == classes


def test_texts_in_doubt_need_a_stated_positive_class():
    with pytest.raises(
        DataError,
        match=r"^t\.csv: which label is the positive one, 'benign' or 'malignant'\? "
        r"Say so with --positive 'malignant' \(or data\.positive in the recipe\)$",
    ):
        find_classes(["malignant", "benign"], None, "t.csv")


def test_a_number_and_a_text_are_in_doubt_too():
    with pytest.raises(DataError, match=r"which label is the positive one, '0' or 'one'\?"):
        find_classes(["0", "one"], None, "t.csv")


def test_digits_of_another_script_are_texts():
    assert find_classes(["1", "\u0661"], "\u0661", "t.csv") == Classes(("1", "\u0661"))


def test_positive_class_that_is_not_there():
    with pytest.raises(
        DataError, match=r"^t\.csv: the positive class 'eggs' is not there; found 'ham', 'spam'$"
    ):
        find_classes(["ham", "spam"], "eggs", "t.csv")


def test_one_class_is_said():
    with pytest.raises(DataError, match=r"the target must hold two classes; found 1 \(3 rows\)$"):
        find_classes(["1", "1.0", "1"], None, "t.csv")


def test_three_classes_are_listed_with_their_rows():
    with pytest.raises(
        DataError,
        match=r"two classes; found 'b' \(3 rows\), 'a' \(2 rows\), 'c' \(1 rows\)$",
    ):
        find_classes(list("bababc"), None, "t.csv")


def test_many_classes_are_cut_short():
    with pytest.raises(DataError, match=r"found 0 \(1 rows\), .*, 7 \(1 rows\) and 92 more$"):
        find_classes(list(range(100)), None, "t.csv")


@pytest.mark.parametrize("missing", [None, "", float("nan")])
def test_missing_label_is_named_by_its_row(missing):
    with pytest.raises(DataError, match=r"^t\.csv: data row 3 has no label: drop the row or fill"):
        find_classes([0, 1, missing, 1], None, "t.csv")


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity"])
def test_a_text_that_spells_no_finite_number_stays_a_text(text):
    values = [text, "1", text, "1"]
    classes = find_classes(values, "1", "t.csv")
    assert classes.labels == (text, "1")
    assert encode(classes, values, "t.csv").tolist() == [0, 1, 0, 1]


def test_large_numbers_keep_all_their_digits():
    values = [2**63 - 1, 2**63 - 2]
    assert find_classes(values, None, "t.parquet").labels == (2**63 - 2, 2**63 - 1)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["a", "a\0"], ("a", "a\0")),
        ([-1, 2**62], (-1, 2**62)),
        ([0.0, 1e20], (0, 1e20)),
        (["1e20", "0"], (0, 1e20)),
        (["100000000000000000000", "0"], (0, 1e20)),
        (["100000000000000000001", "100000000000000000000"],
         ("100000000000000000000", "100000000000000000001")),
        (["9" * 400, "1"], ("1", "9" * 400)),
        (["9007199254740993", "0.5"], ("0.5", "9007199254740993")),
        (["9007199254740992", "0.5"], (0.5, 9007199254740992)),
        ([2**53 + 1, 2**53], (2**53, 2**53 + 1)),
        ([True, 0, 1], (0, 1)),
        ([1, False], (0, 1)),
        ([False, 0.5], (0, 0.5)),
        (["true", "false"], ("false", "true")),
    ],
)  # fmt: skip
def test_no_label_loses_a_digit_a_character_or_its_type(values, classes):
    found = find_classes(values, classes[1], "t.parquet")
    assert repr(found.labels) == repr(classes)
    served = label_array(found.labels)
    assert served.tolist() == list(classes)
    codes = dict(zip(values, encode(found, values, "t.parquet"), strict=True))
    assert sorted(codes.values())[:: len(codes) - 1] == [0, 1]


@pytest.mark.parametrize("values", [[0, "one"], [True, "no"], [2**53 + 1, 0.5], ["a", 0.5]])
def test_labels_that_no_model_can_answer_are_refused(values):
    with pytest.raises(DataError, match=r"^p\.toml: no type holds both labels, .* and .*: write "):
        find_classes(values, values[1], "p.toml")


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 2**64 - 1, 10**30])
def test_a_whole_number_beyond_64_bits_is_named_by_its_row(value):
    with pytest.raises(DataError, match=rf"64 bits at most; data row 2 holds {value}: write texts"):
        find_classes([0, value], None, "t.parquet")


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)], "date"),
        ([b"no", b"yes"], "bytes"),
        ([[0], [1]], "list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_labels_that_are_no_scalars_are_refused_before_training(labels, kind, tmp_path):
    path = tmp_path / f"{kind}.parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0], "y": labels}), path)
    with pytest.raises(DataError, match=f"{kind}.parquet.*label"):
        load_table(Data(file=str(path)), 0)


def test_columns_of_labels_in_points_are_refused():
    data = Data(points={"x": [[1.0], [2.0]], "y": [[0], [1]]})
    with pytest.raises(DataError, match=r"data\.points"):
        load_table(data, 0)


def test_encoding_refuses_other_labels_and_names_only_those():
    with pytest.raises(
        DataError, match=r"^h\.csv: labels must be 'ham' or 'spam'; found 'eggs', 'toast'$"
    ):
        encode(Classes(("ham", "spam")), ["ham", "toast", "spam", "eggs"], "h.csv")


def test_encoding_numbers_refuses_a_text_and_names_only_that():
    with pytest.raises(ServeError, match=r"^h\.csv: labels must be 0 or 1; found 'maybe'$"):
        encode(Classes((0, 1)), ["0", "1", "maybe", "1.0"], "h.csv")


@pytest.mark.parametrize("missing", [None, ""])
def test_encoding_names_the_row_of_a_missing_label(missing):
    with pytest.raises(ServeError, match=r"^h\.csv: data row 2 has no label"):
        encode(Classes((0, 1)), ["0", missing, "1"], "h.csv")


def test_encoding_accepts_one_class_alone():
    assert encode(Classes((0, 1)), ["1", "1.0"], "h.csv").tolist() == [1, 1]


def test_dictionary_encoded_labels(tmp_path):
    column = pa.array(["no", "yes", "yes", "no"]).dictionary_encode()
    pq.write_table(pa.table({"a": [1.0, 2.0, 3.0, 4.0], "y": column}), tmp_path / "t.parquet")
    found = load_table(Data(file=str(tmp_path / "t.parquet")), 0)
    assert found.classes == Classes(("no", "yes"))
    assert found.labels.tolist() == [0, 1, 1, 0]


KINDS = [
    *(pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.bool_(), pa.decimal128(5, 2)),
    *(pa.decimal256(50), pa.dictionary(pa.int8(), pa.int64()), pa.decimal32(5), pa.decimal64(9, 1)),
    *(pa.bool8(), pa.dictionary(pa.int8(), pa.decimal128(3))),
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_0_and_1_are_labels_in_any_numeric_type(kind):
    labels = LabelColumn()
    plain = pa.array([0, 1, 1, 0], pa.int8())
    if kind == pa.bool8():
        values = pa.ExtensionArray.from_storage(kind, plain)
    elif pa.types.is_dictionary(kind):
        values = pa.DictionaryArray.from_arrays(plain, pa.array([0, 1], kind.value_type))
    else:
        values = plain.cast(pa.float32()).cast(kind)
    labels.add(values, "t", 0)
    classes = labels.classes(None, "t")
    assert classes.labels == (0, 1)
    assert labels.encode(classes, "t").tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    "kind", [pa.date32(), pa.timestamp("us"), pa.duration("s"), pa.list_(pa.int32()), pa.uuid()],
    ids=str,
)  # fmt: skip
def test_labels_of_other_types_are_refused_plainly(kind):
    raw = {
        pa.list_(pa.int32()): [[1], [2]],
        pa.uuid(): [b"0" * 16, b"1" * 16],
    }.get(kind, [0, 1])
    values = pa.array(raw, kind) if kind == pa.list_(pa.int32()) else None
    if values is None and kind == pa.uuid():
        values = pa.ExtensionArray.from_storage(kind, pa.array(raw, pa.binary(16)))
    elif values is None:
        values = pa.array(raw, pa.int32() if kind == pa.date32() else pa.int64()).cast(kind)
    with pytest.raises(DataError, match="t: labels must be texts, finite numbers or true and fal"):
        LabelColumn().add(values, "t", 0)


def test_a_label_too_long_for_a_card_is_refused_before_training(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("a,y\n1,no\n2," + "y" * 1001 + "\n")
    message = r"long.csv: a label must have at most 1,000 characters; 'y.* has 1,001: write"
    with pytest.raises(DataError, match=message):
        load_table(Data(file=str(path), positive="no"), 0)
    path.write_text("a,y\n1,no\n2," + "y" * 1000 + "\n")
    assert load_table(Data(file=str(path), positive="no"), 0).classes.labels[1] == "no"
