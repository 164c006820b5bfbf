"""Names, values and messages, whatever is in them."""

import numpy as np
import pytest

from serve_runtime import ArtifactError, InputError, NonFiniteError, OutputError
from serve_runtime.feature_names import check_names, did_you_mean
from serve_runtime.shown import MOST_MESSAGE, MOST_NAMES, listed, message, printable, quoted

HOSTILE = {
    "red": "a\x1b[31mb",
    "carriage return": "safe\rEVIL",
    "turned": "a\u202eb",
    "no width": "a\u200bb",
    "no-break space": "a\u00a0b",
    "C1": "a\x9b31mb",
    "line end": "a\nb",
    "half a character": "a\ud800b",
    "NUL": "a\0b",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_name_is_quoted_and_prints(name):
    shown = quoted(name)
    assert shown.isprintable()
    assert shown[0] == shown[-1] == "'"
    assert eval(shown) == name
    assert printable(name).replace("\n", "").isprintable()


def test_blanks_and_plain_names_stay_readable():
    assert [quoted(v) for v in ("age ", "größe", "x²", 1, 0.5, True, None)] == [
        *("'age '", "'größe'", "'x²'", "1", "0.5", "True", "None"),
    ]
    assert quoted(np.str_("a")) == "'a'"
    assert quoted(np.float32(0.25)) == "0.25"


@pytest.mark.parametrize(
    "value",
    ["x" * 10_000, 1 << 70_000, ["y"] * 100_000, {"a": "\x1b" * 999}],
    ids=["text", "number", "list", "dict"],
)
def test_long_and_unprintable_values_take_a_part_of_a_line(value):
    shown = quoted(value)
    assert shown.isprintable()
    assert len(shown) < 100


def test_a_list_shows_the_first_and_counts_the_rest():
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed([f"f{i}" for i in range(100_000)]).endswith(
        f"'f{MOST_NAMES - 1}' and 99,992 more"
    )
    assert listed(["a", "b", "c", "d"], 2, joint=" or ") == "'a' or 'b' and 2 more"
    assert listed([("a", 1), ("b", 2)], 1, show=lambda pair: f"{pair[1]} a") == "1 a and 1 more"


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_no_error_shows_what_does_not_print(name):
    errors = [
        ArtifactError(f"{name} is missing"),
        OutputError(f"cannot write {name}"),
        InputError(name * 5_000),
        NonFiniteError(3, name, float("nan"), f"{name}.csv: data row 4"),
    ]
    for error in errors:
        assert str(error).replace("\n", "").isprintable()
        assert len(str(error)) < 5 * MOST_MESSAGE  # an escape takes up to 6 characters


def test_of_a_long_path_the_reason_stays():
    shown = message(f"cannot read {'a' * 5000}/{'b' * 5000}: File name too long; export again")
    assert shown.endswith(": File name too long; export again")
    assert len(shown) < MOST_MESSAGE


@pytest.mark.parametrize(
    ("missing", "found", "hint"),
    [
        ("age ", ["age", "x"], "; did you mean 'age'?"),
        ("age", ["x", " age"], "; did you mean ' age'?"),
        ("Mean Radius", ["mean_radius"], "; did you mean 'mean_radius'?"),
        ("age", ["agee", "visits"], "; did you mean 'agee'?"),
        ("age", ["\u0430ge"], r"; did you mean '\u0430ge' for 'age'?"),
        ("größe", ["gro\u0308ße"], r"; did you mean 'gro\u0308\xdfe' for 'gr\xf6\xdfe'?"),
        ("age", ["visits", "bmi"], ""),
        ("age", [], ""),
        ("age", [3, None], ""),
    ],
)
def test_the_near_match_of_a_missing_name_is_said(missing, found, hint):
    assert did_you_mean([missing], found) == hint


def test_several_near_matches_say_which_is_for_which():
    assert did_you_mean(["AGE", "bmi ", "q"], ["age", "bmi"]) == (
        "; did you mean 'age' for 'AGE', 'bmi' for 'bmi '?"
    )


def test_a_column_that_the_model_takes_is_no_near_match():
    with pytest.raises(InputError, match=r"missing: 'mean area' .*did you mean 'Mean area'\?$"):
        check_names(["mean age", "Mean area"], ["mean age", "mean area"])
    with pytest.raises(InputError, match=r"missing: 'mean area' \(got: 'mean age'\)$"):
        check_names(["mean age"], ["mean age", "mean area"])


def test_a_message_about_100_000_columns_has_some_lines():
    many = [f"column number {i}" for i in range(100_000)]
    for found, names in ((many, [f"{name}x" for name in many]), (many * 2, many), ([], many)):
        with pytest.raises(InputError, match=r"missing: .* more|more than one") as caught:
            check_names(found, names)
        assert len(str(caught.value)) < 1000
