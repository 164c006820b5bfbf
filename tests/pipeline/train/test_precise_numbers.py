"""Numbers with more digits than float32 holds are trained on as the source has them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression

from train.dataset import choose, on_disk
from train.persistence import run_folder
from train.recipe.recipe import Recipe
from train.run import Result, train

ROWS = 2000


def drawn(**columns) -> pa.Table:
    """A table whose label follows the first column and `other`."""
    rng = np.random.default_rng(5)
    first, other = next(iter(columns.values())).astype(np.float64), rng.normal(size=ROWS)
    logit = 2 * (first - first.mean()) / first.std() + other
    return pa.table({**columns, "other": other, "y": (logit + rng.logistic(size=ROWS) > 0) + 0})


def drawn_from(low: float, high: float, number_type: type) -> np.ndarray:
    return np.random.default_rng(7).uniform(low, high, ROWS).astype(number_type)


PRECISE = {
    "seconds of 90 s": drawn(when=drawn_from(1.7172e9, 1.7172e9 + 90, np.int64)),
    "two days": drawn(day=np.where(np.arange(ROWS) % 3, 20240128, 20240129)),
    "coordinates of a town": drawn(latitude=drawn_from(52.516271, 52.516299, np.float64)),
    "nanoseconds of a day": drawn(when=drawn_from(1.7172e18, 1.7172e18 + 8.64e13, np.uint64)),
    "cents of large amounts": drawn(amount=drawn_from(1e9, 1e9 + 2, np.float64).round(2)),
}


def trained(table: pa.Table, file: Path, say=lambda text: None, **data) -> Result:
    """Train on `table`, written to `file`."""
    (pq.write_table if file.suffix == ".parquet" else pa.csv.write_csv)(table, file)
    recipe = {"data": {"file": str(file), "memory": "64GB", "holdout": 0, **data}}
    recipe["optimizer"] = {"device": "cpu"}
    recipe["penalty"] = {"l2": 0}
    return train(Recipe.from_dict(recipe), file.parent / file.name.replace(".", "-"), say=say)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("name", PRECISE)
def test_weights_are_those_of_float64(name, ending, tmp_path):
    table = PRECISE[name]
    found = trained(table, tmp_path / f"rows.{ending}").summary.weights
    x = np.stack([column.to_numpy().astype(np.float64) for column in table.columns[:-1]], axis=1)
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    peer.fit((x - x.mean(0)) / x.std(0), table["y"].to_numpy())
    assert list(found) == table.column_names[:-1]
    np.testing.assert_allclose(list(found.values()), peer.coef_[0], rtol=2e-4)


def test_every_format_gives_the_same_digest(tmp_path):
    table = PRECISE["seconds of 90 s"]
    doubles = table.set_column(0, "when", table["when"].cast(pa.float64()))
    cards = [
        trained(rows, tmp_path / file).card
        for rows, file in [(table, "i.csv"), (table, "i.parquet"), (doubles, "d.parquet")]
    ]
    assert len({card.training["data_sha256"] for card in cards}) == 1
    assert len({card.weights_sha256 for card in cards}) == 1
    # A difference that float32 does not hold is one all the same.
    other = table.set_column(0, "when", pa.array(np.sort(table["when"].to_numpy())))
    assert np.array_equal(*(np.sort(t["when"].to_numpy()).astype("f4") for t in (table, other)))
    assert trained(other, tmp_path / "o.csv").card.training["data_sha256"] not in {
        card.training["data_sha256"] for card in cards
    }


@pytest.mark.parametrize("name", PRECISE)
def test_rows_on_disk_train_to_the_bits_of_memory(name, tmp_path, monkeypatch):
    memory = trained(PRECISE[name], tmp_path / "memory.parquet")
    monkeypatch.setattr(choose, "_needed", lambda files: 1 << 60)
    monkeypatch.setattr(on_disk, "_READING", 0)
    disk = trained(PRECISE[name], tmp_path / "disk.parquet")
    assert disk.card.weights_sha256 == memory.card.weights_sha256
    assert disk.card.training["data_sha256"] == memory.card.training["data_sha256"]


@pytest.mark.parametrize("name", PRECISE)
def test_precise_columns_lose_nothing_at_serving(name, tmp_path):
    said: list[str] = []
    found = trained(PRECISE[name], tmp_path / "rows.csv", said.append)
    assert not [line for line in said if "rounds" in line or "AUC" in line]
    assert found.metrics["training"]["auc"] > 0.55


def test_values_that_are_one_in_float32_are_not_constant(tmp_path):
    said: list[str] = []
    found = trained(PRECISE["two days"], tmp_path / "rows.csv", said.append)
    assert not [line for line in said if "constant" in line]
    assert not [line for line in said if "rounds" in line]
    assert abs(found.summary.weights["day"]) > 1
    assert found.card.feature_max[0] - found.card.feature_min[0] == 1


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_nothing_is_told_of_ordinary_columns(ending, tmp_path):
    said: list[str] = []
    trained(drawn(age=drawn_from(18, 99, np.int64)), tmp_path / f"rows.{ending}", said.append)
    assert not [line for line in said if "float32" in line or "AUC" in line]


def test_without_standardisation_training_takes_raw_float32(tmp_path):
    table = drawn(age=drawn_from(0, 1, np.float64))
    narrow = pa.table([column.cast(pa.float32()) for column in table.columns[:-1]] + [table["y"]],
                      table.column_names)  # fmt: skip
    for name, rows in (("doubles", table), ("floats", narrow)):
        pq.write_table(rows, tmp_path / f"{name}.parquet")
        recipe = Recipe.from_dict(
            {"data": {"file": str(tmp_path / f"{name}.parquet")}, "model": {"standardize": False}}
        )
        train(recipe, tmp_path / name)
    doubles, floats = (run_folder.read(tmp_path / name) for name in ("doubles", "floats"))
    assert np.array_equal(doubles.trained.weight, floats.trained.weight)
    assert np.array_equal(doubles.sample, floats.sample)
