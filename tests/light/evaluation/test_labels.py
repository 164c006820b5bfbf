"""Which class the value of a target column means, however the table writes it."""

import numpy as np
import pytest

from serve_runtime import InputError

pa = pytest.importorskip("pyarrow")

from serve_runtime.evaluation.labels import ClassReader, class_of  # noqa: E402

NUMBERS, TRUTHS, TEXTS = (0, 1), (False, True), ("benign", "malignant")
MEANT = [
    (NUMBERS, [0, 0.0, "0", " 0", "0.0", "-0", False, "false", "FALSE"], 0),
    (NUMBERS, [1, 1.0, "1", "1e0", "+1", True, "true"], 1),
    (NUMBERS, [2, "x", "yes", 0.5, "1_0", "nan", "0b1"], None),
    ((1, 2), ["2", 2.0], 1),
    ((-1, 1), ["-1", -1.0], 0),
    ((-0.5, 0.5), ["0.5", ".5", 0.5], 1),
    ((2**53, 2**53 + 1), [str(2**53 + 1), 2**53 + 1], 1),
    (TRUTHS, [False, "False", "false", 0, "0", 0.0], 0),
    (TRUTHS, [True, " TRUE", 1, "1"], 1),
    (TRUTHS, ["yes", 2, "t"], None),
    (("False", "True"), ["True", "true", True, 1, "1"], 1),
    (("false", "true"), ["False", False, 0], 0),
    (("True", "true"), ["True"], 0),
    (("True", "true"), ["TRUE", True], None),
    (TEXTS, ["benign"], 0),
    (TEXTS, ["malignant"], 1),
    (TEXTS, ["Benign", " benign", "", 0, True], None),
    (("0", "one"), ["0", 0, 0.0, False], 0),
]


@pytest.mark.parametrize(
    ("classes", "value", "position"),
    [(classes, value, position) for classes, values, position in MEANT for value in values],
)
def test_a_value_means_the_class_that_it_spells(classes, value, position):
    assert class_of(value, classes) == position
    reversed_position = None if position is None else 1 - position
    assert class_of(value, classes[::-1]) == reversed_position


ARRAYS = [
    (NUMBERS, pa.array([0, 1, 1], pa.int8())),
    (NUMBERS, pa.array([0, 1, 1], pa.uint64())),
    (NUMBERS, pa.array([0, 1, 1], pa.float32())),
    (NUMBERS, pa.array(["0", "1.0", "1"])),
    (NUMBERS, pa.array([False, True, True])),
    (TRUTHS, pa.array([False, True, True])),
    (TRUTHS, pa.array(["false", "True", "TRUE"])),
    (TEXTS, pa.array(["benign", "malignant", "malignant"])),
    (TEXTS, pa.array(["benign", "malignant", "malignant"], pa.large_string())),
    (TEXTS, pa.array(["benign", "malignant", "malignant"]).dictionary_encode()),
    (TEXTS, pa.array(["?", "benign", "malignant", "malignant", "?"]).slice(1, 3)),
]


@pytest.mark.parametrize(("classes", "column"), ARRAYS, ids=lambda value: str(type(value)))
def test_columns_of_any_type_are_read(classes, column):
    found = ClassReader(classes).read(column, "t", 0)
    assert (found.tolist(), found.dtype) == ([0, 1, 1], np.int8)
    assert ClassReader(classes).read(column.slice(0, 0), "t", 0).tolist() == []


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([0, 1, None, None]), "t.csv: data row 13 has no label: drop the row or fill it"),
        (pa.array(["0", "", "1"]), "data row 12 has no label"),
        (pa.array([0, 1, float("nan")]), "data row 13 has no label"),
        (pa.array([0, 1, 2, 3]), "data row 13 has the label 2; labels must be 0 or 1. Where the"),
        (pa.array(["1", "0", "maybe"]), "data row 13 has the label 'maybe'; labels must be 0 or"),
        (pa.array([[0], [1]]), r"labels must be texts, .*; data row 11 holds \[0\]"),
        (pa.array([{"a": 1}, None]), "data row 11 holds {'a': 1}"),
        (pa.array([0.0, float("inf")]), "data row 12 holds inf"),
        (
            pa.array(["0", "x" * 10_000]),
            "data row 12 has the label 'x{45}… .10,000 characters. …x{15}';",
        ),
    ],
)
def test_a_row_without_a_label_of_the_model_is_named(column, message):
    with pytest.raises(InputError, match=message):
        ClassReader(NUMBERS).read(column, "t.csv", 10)


@pytest.mark.parametrize(
    ("positive", "column", "found"),
    [
        ("M", ["B", "M", "B"], [0, 1, 0]),
        ("B", ["B", "M", "B"], [1, 0, 1]),
        ("1", [2, 1, 2], [0, 1, 0]),
        ("1", ["1.0", "0", "1", "0.0"], [1, 0, 1, 0]),
        ("true", [True, False], [1, 0]),
        ("gone", ["B", "B"], [0, 0]),
    ],
)
def test_the_positive_label_can_be_named(positive, column, found):
    reader = ClassReader(TEXTS, positive)
    assert reader.read(pa.array(column), "t", 0).tolist() == found
    assert reader.read(pa.array(column[::-1]), "t", 0).tolist() == found[::-1], "in a later batch"


def test_beside_the_positive_label_there_is_one_other():
    reader = ClassReader(TEXTS, "M")
    reader.read(pa.array(["M", "B"]), "t", 0)
    with pytest.raises(
        InputError, match=r"data row 4 has the label 'C'; labels must be 'B' or 'M'$"
    ):
        reader.read(pa.array(["B", "C"]), "t", 2)


def test_a_full_stop_behind_every_label_is_ignored():
    labels = ["<=50K.", ">50K.", "<=50K."]
    reader = ClassReader(["<=50K", ">50K"])
    assert reader.read(pa.array(labels), "t", 0).tolist() == [0, 1, 0]
    with pytest.raises(InputError, match="data row 4 has the label '>50K'; labels must be '<=50K'"):
        reader.read(pa.array([">50K"]), "t", 3)
    mixed = ClassReader(["<=50K", ">50K"])
    with pytest.raises(InputError, match=r"data row 2 has the label '>50K\.'; labels must be"):
        mixed.read(pa.array(["<=50K", ">50K."]), "t", 0)
    own = ClassReader(["no.", "yes."])
    assert own.read(pa.array(["no.", "yes."]), "t", 0).tolist() == [0, 1]
