"""The same table, however it was stored, gives the same model and the same scores."""

import re

import numpy as np
import onnxruntime as ort
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from export.publish import export_bundle
from serve_runtime import Predictor, RowError, score_file
from train.recipe.recipe import Recipe
from train.run import train

ROWS = 240
CATEGORIES = ["code", "half", "flag"]


@pytest.fixture(scope="module")
def frame():
    """Whole numbers with gaps, fractions, and true and false, all told to be categories."""
    rng = np.random.default_rng(0)
    code = rng.choice([-1, 0, 3, 2134, 99], ROWS)
    x = pd.DataFrame({
        "code": pd.Series(code, dtype="Int64").mask(rng.random(ROWS) < 0.1),
        "half": rng.integers(0, 5, ROWS) / 2,
        "flag": rng.random(ROWS) < 0.5,
        "size": rng.normal(size=ROWS),
    })  # fmt: skip
    y = (code == 3) + x["flag"] + rng.normal(size=ROWS) > 1
    return x.assign(y=np.where(y, "yes", "no"))


def as_texts(frame, flags=("True", "False")):
    """The texts that a CSV of a frame of floats holds."""
    code = [None if value is pd.NA else f"{value}.0" for value in frame["code"]]
    half = list(map(str, frame["half"]))
    flag = [flags[not value] for value in frame["flag"]]
    return frame.assign(code=code, half=half, flag=flag)


def stored(frame):
    """The table in the types that it may come in, by name."""
    floats = frame.astype({"code": float})
    return {
        "integers": frame,
        "floats": floats,
        "float32": floats.astype({"code": "float32", "half": "float32"}),
        "texts": as_texts(frame),
        "small": as_texts(frame, ("true", "false")),
        "capitals": as_texts(frame, ("TRUE", "FALSE")),
        "objects": frame.astype({"code": object}).where(frame.notna(), None),
        "categories": frame.astype({"code": "category", "half": "category", "flag": "category"}),
    }


def write(folder, frame):
    """All tables as files."""
    for name, table in stored(frame).items():
        table.to_csv(folder / f"{name}.csv", index=False)
        if name != "objects":
            table.to_parquet(folder / f"{name}.parquet", index=False)
    return sorted(folder.iterdir())


def fit(path, out, **columns):
    recipe = {
        "data": {"file": str(path), "target": "y", "holdout": 0.25},
        "columns": {"category": CATEGORIES, **columns},
    }
    said = list[str]()
    result = train(Recipe.from_dict(recipe), out, say=said.append)
    return result.card, said


def test_one_table_makes_one_model(frame, tmp_path):
    (tmp_path / "tables").mkdir()
    cards = {}
    for path in write(tmp_path / "tables", frame):
        card, said = fit(path, tmp_path / f"run {path.name}")
        assert card.columns[0].levels == ("-1", "0", "2134", "3", "99")
        assert card.columns[1].levels == ("0", "0.5", "1", "1.5", "2")
        assert [column.levels_are for column in card.columns[:3]] == ["numbers"] * 2 + ["truths"]
        assert not [line for line in said if "programs that score have to" in line]
        sums = card.training["data_sha256"]
        cards[path.name] = card.columns, card.weights_sha256, sums
    assert len(set(cards.values())) == 1, cards


def test_one_table_has_one_score(frame, tmp_path):
    (tmp_path / "tables").mkdir()
    files = write(tmp_path / "tables", frame)
    fit(tmp_path / "tables" / "floats.csv", tmp_path / "run")
    export_bundle(tmp_path / "run", tmp_path / "bundle")
    predictor, x = Predictor(tmp_path / "bundle"), frame.drop(columns="y")
    expected = predictor.probability(x).tobytes()
    for path in files:
        score_file(predictor, path, tmp_path / "out.parquet")
        found = pq.read_table(tmp_path / "out.parquet")["probability"].to_numpy()
        assert found.tobytes() == expected, path
    for name, table in stored(x).items():
        tables = [table, table.to_dict("records"), table.to_dict("list"), table.values.tolist()]
        tables += [] if name == "objects" else [pa.Table.from_pandas(table), pl.from_pandas(table)]
        for number, given in enumerate(tables):
            assert predictor.probability(given).tobytes() == expected, (name, number)
        rows = [predictor.probability([row])[0] for row in table.to_dict("records")]
        assert np.array(rows).tobytes() == expected, name
    session = ort.InferenceSession(tmp_path / "bundle" / "model.onnx")
    for flags in (("True", "False"), ("true", "false")):
        texts = as_texts(x, flags)
        given = {name: texts[[name]].to_numpy(object) for name in CATEGORIES}
        given["numbers"] = x[["size"]].to_numpy(np.float32)
        assert session.run(["probability"], given)[0].tobytes() == expected


def test_files_of_one_folder_may_spell_numbers_apart(frame, tmp_path):
    (tmp_path / "tables").mkdir()
    early, late = frame[frame["code"].notna()][:100], frame[100:]
    early.to_csv(tmp_path / "tables" / "1.csv", index=False)
    late.astype({"code": float}).to_csv(tmp_path / "tables" / "2.csv", index=False)
    card, said = fit(tmp_path / "tables", tmp_path / "run")
    assert card.columns[0].levels == ("-1", "0", "2134", "3", "99")
    assert any(re.search(r"^code .*told; '.*\.0' is ", line) for line in said)


@pytest.mark.parametrize("codes", [["3", "3.0", "x"], ["3.1", "3.10", "3"], ["03", "3", "3.0"]])
def test_texts_stay_the_texts_that_they_are(frame, codes, tmp_path):
    frame.assign(code=(codes * ROWS)[:ROWS]).to_csv(tmp_path / "t.csv", index=False)
    card, _ = fit(tmp_path / "t.csv", tmp_path / "run")
    assert card.columns[0].levels == tuple(sorted(codes))
    assert card.columns[0].levels_are == "texts"


def test_codes_with_leading_zeros_are_no_numbers(frame, tmp_path):
    zips = pd.Series(["02134", "10001", "94110"] * (ROWS // 3))
    frame.assign(code=zips).to_csv(tmp_path / "t.csv", index=False)
    card, said = fit(tmp_path / "t.csv", tmp_path / "run")
    assert card.columns[0].levels == ("02134", "10001", "94110")
    note = "levels of 'code' are texts such as '02134', not the numbers that they spell"
    assert any(note in line for line in said)
    export_bundle(tmp_path / "run", tmp_path / "bundle")
    predictor, numbers = Predictor(tmp_path / "bundle"), frame.assign(code=zips.astype(int))
    message = "row 0, .*its level '02134' is another spelling of 2134: pass the text"
    for table in (numbers, numbers.to_dict("records"), pl.from_pandas(numbers)):
        with pytest.raises(RowError, match=message):
            predictor.probability(table)
    numbers.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(RowError, match=message.replace("row 0", "data row 1")):
        score_file(predictor, tmp_path / "t.parquet", tmp_path / "out.parquet")


def test_a_spelling_of_what_is_missing_is_its_own_level(frame, tmp_path):
    table = as_texts(frame)
    table.loc[:9, "code"] = "99"
    table.to_csv(tmp_path / "t.csv", index=False)
    recipe = {
        "data": {"file": str(tmp_path / "t.csv"), "target": "y", "missing": ["99"]},
        "columns": {"category": CATEGORIES},
    }
    column = train(Recipe.from_dict(recipe), tmp_path / "run").card.columns[0]
    assert column.levels_are == "texts"
    assert "99.0" in column.levels
