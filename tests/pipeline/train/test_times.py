"""Dates and times that are told to be numbers: trained on, exported, scored to the same bits."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from export.publish import export_bundle
from serve_runtime import InputError, Predictor, score_file
from train.recipe.recipe import Recipe
from train.run import train

ROWS = 200


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    seconds = 1.7e9 + rng.integers(0, 10**7, ROWS) + rng.integers(0, 4, ROWS) / 4
    when = pd.to_datetime((seconds * 1e6).astype("int64"), unit="us")
    y = np.where(seconds + 3e6 * rng.normal(size=ROWS) > 1.705e9, "yes", "no")
    return pd.DataFrame({"when": when, "day": when.floor("D"), "x": rng.random(ROWS), "y": y})


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_time_is_the_same_number_everywhere(frame, ending, tmp_path):
    path, out = tmp_path / f"t.{ending}", tmp_path / "out.parquet"
    if ending == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    recipe = {"data": {"file": str(path)}, "columns": {"number": ["when", "day"]}}
    train(Recipe.from_dict(recipe), tmp_path / "run")
    export_bundle(tmp_path / "run", tmp_path / "bundle")
    predictor = Predictor(tmp_path / "bundle")
    assert [column.time for column in predictor.card.columns] == [True, True, False]
    expected = predictor.probability(frame).tobytes()

    x = frame.drop(columns="y")
    seconds = x.assign(
        when=[t.timestamp() for t in x["when"]], day=[t.timestamp() for t in x["day"]]
    )
    zoned = x.assign(when=x["when"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"))
    arrow = pa.Table.from_pandas(x, preserve_index=False)
    tables = [seconds, zoned, pl.from_pandas(x), arrow, x.to_dict("records")]
    tables.append({**x.to_dict("list"), "day": [t.date() for t in x["day"]]})
    tables.append({name: x[name].to_numpy() for name in x})
    texts = x.assign(when=[f"{t.isoformat()}Z" for t in x["when"]], day=x["day"].astype(str))
    local = x.assign(when=[str(t) for t in zoned["when"]], day=x["day"].astype(str))
    for written in (texts, local, texts.astype({"when": "string", "day": "category"})):
        arrow = pa.Table.from_pandas(written, preserve_index=False)
        tables += [written, written.to_dict("records"), written.to_dict("list"), arrow]
        tables += [pl.from_pandas(written), {n: written[n].to_numpy() for n in written}]
    tables.append({n: np.array(texts[n].tolist()) for n in texts})
    for number, table in enumerate(tables):
        assert predictor.probability(table).tobytes() == expected, number
    with pytest.raises(InputError, match=r"'when' must be a date .*; got the text 'soon' in row 1"):
        predictor.probability([texts.iloc[0].to_dict(), {"when": "soon", "day": 0, "x": 1}])

    frame.to_csv(tmp_path / "again.csv", index=False)
    seconds.to_csv(tmp_path / "seconds.csv", index=False)
    texts.to_parquet(tmp_path / "texts.parquet")
    frame.to_parquet(tmp_path / "again.parquet")
    for name in ("again.csv", "seconds.csv", "texts.parquet", "again.parquet"):
        score_file(predictor, tmp_path / name, out)
        found = pq.read_table(out).column("probability").to_numpy()
        assert found.tobytes() == expected

    with pytest.raises(InputError, match="feature 'x' must be numeric; got"):
        predictor.probability(x.assign(x=x["when"]))
    (tmp_path / "odd.csv").write_text("when,day,x\nsoon,2024-01-01,1\n")
    with pytest.raises(InputError, match="'when' holds 'soon', which is no date or time of ISO"):
        score_file(predictor, tmp_path / "odd.csv", out)


def test_gaps_among_times_are_marked_as_usual(frame, tmp_path):
    frame = frame.assign(when=[None, *frame["when"][1:]])
    for mark in ("NA", ""):
        frame.to_csv(tmp_path / "t.csv", index=False, na_rep=mark)
        recipe = {"data": {"file": str(tmp_path / "t.csv")}, "columns": {"number": ["when", "day"]}}
        result = train(Recipe.from_dict(recipe), tmp_path / f"run {mark}")
        assert (result.card.columns[0].time, result.card.columns[0].gaps) == (True, 1)
