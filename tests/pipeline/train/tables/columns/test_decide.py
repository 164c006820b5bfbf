"""Kinds, levels, gaps and policies: decided alike in memory, on disk, from CSV and Parquet."""

import numpy as np
import pandas as pd
import pytest

from pipeline.train.tables.columns.conftest import from_disk
from serve_runtime.features.column import MISSING_TEXTS, Column
from train.errors import DataError
from train.recipe.recipe import Recipe
from train.tables.holdout import held_out

TOWNS = ["Rome", "Pisa", "Ulm"] * 20


def test_texts_are_categories_with_their_levels(decide, write, ending, frame):
    frame["town"] = TOWNS
    found = decide(write(frame, ending))
    assert found["town"] == Column(
        "town", "category", levels=("Pisa", "Rome", "Ulm"), counts=(20, 20, 20),
        missing_texts=MISSING_TEXTS,
    )  # fmt: skip
    assert found["x"].kind == "number"
    assert found.reason("town") == "texts"


def test_levels_are_those_of_the_training_rows(decide, write, ending, frame):
    frame["town"] = TOWNS
    found = decide(write(frame, ending), holdout=0.25)
    assert sum(found["town"].counts) == 45
    frame.loc[17, "town"] = "once"
    seen = set()
    for seed in range(8):
        document = decide(write(frame, ending), holdout=float(0.2 + seed / 40))
        seen.add("once" in document["town"].levels)
    assert seen == {True, False}, "in the training rows, or held out and unknown"


@pytest.mark.parametrize("missing", [None, "NA", "?", ""])
def test_gaps_of_texts_are_a_level(decide, write, ending, frame, missing):
    frame["town"] = [missing, *TOWNS[1:]]
    found = decide(write(frame, ending))["town"]
    assert (found.missing, found.gaps, found.levels) == ("level", 1, ("Pisa", "Rome", "Ulm"))


def test_gaps_of_numbers_have_an_indicator(decide, write, ending, frame):
    frame["size"] = [None, *range(59)]
    found = decide(write(frame, ending))
    assert (found["size"].missing, found["size"].gaps) == ("indicator", 1)
    assert np.array_equal(found.decided.design.imputed, [np.nan, 29], equal_nan=True)
    assert found.reason("size") == "gaps: median and weight"


@pytest.mark.parametrize(("said", "imputed"), [("mean", 1.75), ("median", 1.5), ("indicator", 1.5)])
@pytest.mark.parametrize("one", [False, True])
def test_a_number_that_never_missed_may_miss_if_asked(write, frame, decide, said, imputed, one):
    frame["size"] = [1.0, 1.0, 2.0, 3.0] * 15
    columns = {"size": {"missing": said}} if one else {"missing": said}
    found = decide(write(frame, "csv"), columns)
    assert found["size"].missing == ("median" if said == "indicator" else said)
    assert found.decided.design.imputed[-1] == imputed
    assert np.isfinite(found.decided.design.imputed).tolist() == [not one, True]


@pytest.mark.parametrize(("said", "imputed"), [("mean", 4.0), ("median", 2.0), ("indicator", 2.0)])
def test_what_stands_for_a_missing_number(decide, write, ending, frame, said, imputed):
    frame["size"] = [None, 0, 2, 10] * 15
    found = decide(write(frame, ending), {"size": {"missing": said}})
    assert found["size"].missing == said
    assert found.decided.design.imputed[1] == pytest.approx(imputed)


def test_gaps_of_held_out_rows_alone(decide, write, ending, frame):
    frame["size"], frame["town"] = np.arange(60.0), TOWNS
    policies = set()
    for row in range(60):
        gap = frame.copy()
        gap.loc[row, ["size", "town"]] = None
        found = decide(write(gap, ending), holdout=0.2)
        policies.add((found["size"].missing, found["town"].missing, found["size"].gaps))
        if len(policies) == 2:
            break
    assert policies == {("indicator", "level", 1), ("median", "unknown", 0)}


def test_flags_are_numbers_with_gaps_too(decide, write, ending, frame):
    frame["flag"] = [True, False, None] * 20
    found = decide(write(frame, ending))["flag"]
    assert (found.kind, found.low, found.high, found.gaps) == ("number", 0, 1, 20)


def test_codes_are_numbers_unless_told(decide, write, ending, frame):
    frame["grade"] = [1, 2, 3] * 20
    found = decide(write(frame, ending))
    assert found["grade"].kind == "number"
    assert found.said == [
        "few whole numbers: 'grade'. Where they are codes, not amounts, say --category grade"
    ]
    told = decide(write(frame, ending), {"category": ["grade"]})
    assert told["grade"].levels == ("1", "2", "3")
    assert told.reason("grade") == "told"
    assert decide(write(frame, ending), {"number": ["grade"]}).said == []


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int8, bool, object])
def test_levels_have_one_text_whatever_their_type(decide, write, frame, kind):
    values = np.array([1, 0] * 30, object if kind is object else kind)
    frame["code"] = pd.array(values, "Int64") if kind is object else values
    found = decide(write(frame, "parquet"), {"category": ["code"]})["code"]
    assert found.levels == (("False", "True") if kind is bool else ("0", "1"))
    frame["code"] = np.array([1.1, 2.5] * 30, np.float32)
    found = decide(write(frame, "parquet"), {"category": ["code"]})["code"]
    assert found.levels == ("1.1", "2.5")


def test_rare_levels_are_merged(decide, write, ending, frame):
    frame["town"] = [*TOWNS[:54], "a", "a", "b", "b", "b", "c"]
    found = decide(write(frame, ending), {"min_rows": 3})["town"]
    assert found.levels == ("Pisa", "Rome", "Ulm", "b")
    assert (found.rare, found.rare_count) == (("a", "c"), 3)
    few = decide(write(frame, ending), {"max_levels": 4, "town": {"max_levels": 2}})["town"]
    assert (few.levels, few.rare) == (("Pisa", "Rome"), ("Ulm", "a", "b", "c"))


def test_policies_of_one_column_and_of_all(decide, write, ending, frame):
    frame["town"], frame["land"] = TOWNS, ["it", "de"] * 30
    found = decide(
        write(frame, ending),
        {"unknown": "average", "missing": "unknown", "land": {"unknown": "rare"}},
    )
    assert (found["town"].missing, found["town"].unknown) == ("unknown", "average")
    assert (found["land"].missing, found["land"].unknown) == ("unknown", "rare")
    assert found["x"].missing == "error", "no policy of numbers"


@pytest.mark.parametrize("unknown", ["average", "rare", "error"])
def test_gaps_of_training_rows_are_not_unknown(decide, write, ending, frame, unknown):
    frame["town"] = [None, *TOWNS[1:59], None]
    path = write(frame, ending)
    message = r"^column 'town': 2 training rows have no value there.* Say missing \"level\" for it"
    for asked in ({"missing": "unknown"}, {"town": {"missing": "unknown"}}):
        with pytest.raises(DataError, match=message):
            decide(path, {"unknown": unknown, **asked})
    assert decide(path, {"unknown": unknown, "missing": "level"})["town"].missing == "level"


def test_gaps_as_unknown_levels_that_are_refused(decide, write, ending, frame):
    frame["town"] = TOWNS
    path = write(frame, ending)
    refused = {"town": {"missing": "unknown", "unknown": "error"}}
    with pytest.raises(DataError, match=r'level there, and columns\.unknown is "error"'):
        decide(path, refused)
    assert decide(path, {"missing": "level", "unknown": "error"})["town"].missing == "error"
    frame.loc[held_out(frame["y"].to_numpy(np.float32), 0.2, 1).argmax(), "town"] = None
    message = r"'town': a missing value counts as an unknown level .*misses 1 .* say unknown \"av"
    with pytest.raises(DataError, match=message):
        decide(write(frame, ending), refused, holdout=0.2)


def test_a_gap_that_is_to_be_refused(decide, write, ending, frame):
    frame["size"] = [*range(59), None]
    message = r"^column 'size' misses 1 values, the first in data row 60, and columns\.missing"
    with pytest.raises(DataError, match=message):
        decide(write(frame, ending), {"missing": "error"})
    frame.loc[[40, 41], "size"] = None
    message = "^column 'size' misses 3 values, the first in data row 41, and"
    for seed in range(8):  # which rows are held out does not matter
        with pytest.raises(DataError, match=message):
            decide(write(frame, ending), {"missing": "error"}, holdout=0.2 + seed / 40)


PRECISE = {
    "90 seconds": 1_700_000_000 + np.arange(60) * 1.5,
    "days as numbers": 20260101 + np.arange(60) % 28,
    "Julian days": 2_460_000.5 + np.arange(60) / 3,
    "grid": 5_400_000 + np.random.default_rng(1).uniform(0, 3, 60),
    "two values": 2.0**24 + np.arange(60) % 2,
    "negative": -(10.0**12) + np.arange(60),
}
PLAIN = {
    "measured": np.random.default_rng(2).normal(size=60),
    "temperature": np.round(37 + np.random.default_rng(3).normal(size=60), 1),
    "years": 1990 + np.arange(60),
    "ten years of seconds": np.linspace(1.3e9, 1.6e9, 60).round(),
    "large": np.random.default_rng(4).lognormal(20, 3, 60),
    "tiny": np.random.default_rng(4).normal(size=60) * 1e-30,
    "constant": np.full(60, 0.1),
    "identifiers": np.random.default_rng(5).permutation(60) * 7919.0,
}


NEAR = {
    "squares are zero": np.where(np.arange(60) % 3, 1e-200, 3e-200),
    "subnormal in float64": np.where(np.arange(60) % 3, 0, 5e-324),
    "subnormal in float32": np.arange(60) * 1e-42,
    "one other": np.where(np.arange(60) == 7, 4e-38, 0),
}


@pytest.mark.parametrize("name", NEAR)
def test_numbers_that_float32_cannot_tell_apart(decide, write, ending, frame, name):
    frame["tiny"] = NEAR[name]
    message = r"^the values of 'tiny' \(.*\) are too near to each other for float32.*--drop tiny$"
    with pytest.raises(DataError, match=message):
        decide(write(frame, ending))


def test_a_near_number_of_held_out_rows_alone(decide, write, ending, frame):
    constant = frame.assign(tiny=1e-200)
    held = write(constant.assign(tiny=3e-200), ending, "held")
    found = decide(write(constant, ending), holdout=str(held))
    assert found["tiny"].low == found["tiny"].high


@pytest.mark.parametrize("value", [1e300, -1e300, 1e39])
def test_numbers_beyond_float32_are_refused(decide, write, ending, frame, value):
    frame.loc[7, "x"] = value
    with pytest.raises(DataError, match=r"data row 8, column 'x' is -?inf as float32"):
        decide(write(frame, ending))
    path = write(frame, ending)
    recipe = Recipe.from_dict({"data": {"file": str(path), "target": "y", "holdout": 0}})
    with pytest.raises(DataError, match=r"data row 8, column 'x' is -?inf as float32"):
        from_disk(recipe)


def test_one_number_far_from_all_others(decide, write, ending, frame):
    frame.loc[7, "x"] = 3e38
    assert decide(write(frame, ending))["x"].kind == "number"


@pytest.mark.parametrize("name", PRECISE)
def test_numbers_that_float32_would_lose(decide, write, ending, frame, name):
    frame["when"] = PRECISE[name]
    found = decide(write(frame, ending))
    assert found["when"].kind == "precise"
    assert (found["when"].low, found["when"].high) == (min(frame["when"]), max(frame["when"]))
    center = found.decided.design.center[0]
    assert abs(center - np.mean(frame["when"])) <= np.std(frame["when"]) / 8 + 2**-52 * abs(center)
    assert found.reason("when") == "float32 would lose digits"


@pytest.mark.parametrize("name", PLAIN)
def test_numbers_that_float32_holds_well(decide, write, ending, frame, name):
    frame["v"] = PLAIN[name]
    assert decide(write(frame, ending))["v"].kind == "number"


def test_whether_values_become_equal_decides_in_between(decide, write, ending):
    close = pd.DataFrame({"t": np.arange(4000) * 0.25 + 2.0**23, "y": np.arange(4000) % 2})
    far = close.assign(t=(np.arange(4000) % 500) * 2 + 2.0**23 + 1 / 3)
    assert decide(write(close, ending))["t"].kind == "precise"
    assert decide(write(far, ending))["t"].kind == "precise"
    wide = close.assign(t=np.arange(4000) * 64 + 2.0**24 + 1 / 3)
    assert decide(write(wide, ending))["t"].kind == "number"
    pairs = close.assign(t=np.arange(4000) // 2 * 64 + 2.0**24 + np.arange(4000) % 2 / 3)
    assert decide(write(pairs, ending))["t"].kind == "precise"


def test_the_order_of_rows_is_no_matter(decide, write, ending, frame):
    frame["town"], frame["size"] = TOWNS, [None, 2, 3] * 20
    frame["when"] = PRECISE["days as numbers"]
    shuffled = frame.sample(frac=1, random_state=3)
    one, other = decide(write(frame, ending)), decide(write(shuffled, ending))
    assert one.decided.design.columns == other.decided.design.columns


def test_formats_are_no_matter(decide, write, frame):
    frame["town"], frame["size"] = [None, *TOWNS[1:]], [None, 2.5, 3] * 20
    one, other = (decide(write(frame, ending)) for ending in ("csv", "parquet"))
    assert one.decided.design.columns == other.decided.design.columns


def test_many_levels_pass(decide, write):
    rows = 40_000
    codes = np.arange(rows) % 10_000
    frame = pd.DataFrame({"c": np.char.add("v", codes.astype(str)), "y": np.arange(rows) % 2})
    found = decide(write(frame, "parquet"))["c"]
    assert len(found.levels) == 10_000
    assert set(found.counts) == {4}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"x": {"missing": "level"}},
            r"\[columns\.x\]: it is a number, and missing must be one of ",
        ),
        ({"x": {"max_levels": 3}}, r"\[columns\.x\]: .*'max_levels' is of categories: say --categ"),
        ({"town": {"missing": "mean"}}, r"\[columns\.town\]: it is a category, and missing must"),
    ],
)
def test_what_a_column_of_this_kind_cannot_do(decide, write, ending, frame, asked, message):
    frame["town"] = TOWNS
    with pytest.raises(DataError, match=message):
        decide(write(frame, ending), asked)
