"""A hold-out file with levels and gaps of its own: on disk as in memory, and as it is served."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from light.mixed import model_of, predictor_of

from pipeline.raw_tables import TOWNS, Row, labelled, rows_of, write_csv, write_parquet
from serve_runtime.errors import InputError
from serve_runtime.features.raw_rows import RawRows
from train.dataset import choose
from train.errors import DataError
from train.persistence import run_folder
from train.recipe.recipe import Recipe
from train.run import train

TRAINING = labelled(rows_of(900, seed=3), seed=4)
HELD = labelled(rows_of(300, seed=5, towns=(*TOWNS, "Bernkastel", " Trier", "Enkirch")), seed=6)
"""A fifth of these rows have a town that training has not seen."""
SETTINGS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "unknown levels are rare ones": {"town": {"min_rows": 130, "unknown": "rare"}},
    "gaps that are filled": {"missing": "median", "plan": {"missing": "level"}},
}

Fit = Callable[..., dict[str, Any]]


@pytest.fixture
def fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fit:
    """Train on TRAINING in memory or on disk, with the hold-out file of this name."""

    def run(where: str, held: str = "held.csv", **columns: Any) -> dict[str, Any]:
        write_csv(tmp_path / "rows.csv", TRAINING)
        data = {"file": str(tmp_path / "rows.csv"), "target": "bought", "memory": "64GB"}
        document = {"data": {**data, "holdout": str(tmp_path / held)}, "columns": columns}
        with monkeypatch.context() as patch:
            if where == "disk":
                patch.setattr(choose, "_needed", lambda files: 1 << 60)
            return train(Recipe.from_dict(document), tmp_path / where).metrics

    return run


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("kind", SETTINGS)
def test_a_file_on_disk_counts_as_in_memory(
    fit: Fit, tmp_path: Path, kind: str, ending: str
) -> None:
    (write_csv if ending == "csv" else write_parquet)(tmp_path / f"held.{ending}", HELD)
    memory, disk = (fit(at, f"held.{ending}", **SETTINGS[kind]) for at in ("memory", "disk"))
    ours, theirs = (run_folder.read(tmp_path / name) for name in ("disk", "memory"))
    assert ours.card.columns == theirs.card.columns
    assert ours.card.weights_sha256 == theirs.card.weights_sha256
    assert disk.keys() == memory.keys() == {"training", "holdout"}
    for part, metrics in memory.items():
        assert disk[part] == pytest.approx(metrics, rel=1e-6)
    assert isinstance(ours.sample, RawRows)
    assert isinstance(theirs.sample, RawRows)
    np.testing.assert_array_equal(ours.sample.numbers, theirs.sample.numbers)
    assert ours.sample.texts == theirs.sample.texts
    assert {"Bernkastel", " Trier", "Enkirch"} <= {*ours.sample.texts[0]}
    served = predictor_of(
        model_of(ours.card.columns, ours.trained.affine(), ours.trained.encoding())
    )
    logit = served.decision_function(HELD).astype(np.float64)
    sign = np.where([row["bought"] == "yes" for row in HELD], -1, 1)
    assert disk["holdout"]["rows"] == len(HELD)
    loss = float(np.logaddexp(0, sign * logit).mean())
    assert disk["holdout"]["log_loss"] == pytest.approx(loss, rel=1e-6)


def test_levels_that_only_rows_held_out_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    towns = tuple(f"town {i}" for i in range(100))
    write_csv(tmp_path / "rows.csv", labelled(rows_of(200, seed=7, towns=towns), seed=8))
    data = {"file": str(tmp_path / "rows.csv"), "target": "bought", "memory": "64GB"}
    asked = Recipe.from_dict({"data": {**data, "holdout": 0.3}})
    memory = train(asked, tmp_path / "memory")
    monkeypatch.setattr(choose, "_needed", lambda files: 1 << 60)
    disk = train(asked, tmp_path / "disk")
    assert disk.card.columns == memory.card.columns
    levels = next(column for column in disk.card.columns if column.name == "town").levels
    assert 50 < len(levels) < 85
    for part, metrics in memory.metrics.items():
        assert disk.metrics[part] == pytest.approx(metrics, rel=1e-5)


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.parametrize(
    ("change", "columns", "message"),
    [
        ({"income": None}, {}, "column 'income' is missing, which it is in no training row"),
        ({"town": None}, {}, "column 'town' is missing, which it is in no training row"),
        ({"seen": None}, {}, "column 'seen' is missing, which it is in no training row"),
        (
            {"town": "Bernkastel"}, {"town": {"unknown": "error"}},
            "column 'town' has the level 'Bernkastel', which no training row has",
        ),
        ({"income": "much"}, {}, r"these columns are not: 'income' \('much' is no number\)"),
        ({"income": float("inf")}, {}, "column 'income' is inf"),
    ],
    ids=["number", "category", "precise", "unknown", "text", "infinity"],
)  # fmt: skip
def test_a_row_that_would_be_refused_is_named(
    fit: Fit, tmp_path: Path, where: str, change: Row, columns: dict[str, Any], message: str
) -> None:
    held = labelled(rows_of(50, seed=9), seed=10)
    held[29] = {**held[29], **change}
    write_csv(tmp_path / "held.csv", held)
    with pytest.raises(
        (DataError, InputError), match=rf"held\.csv(: data row 30|, line 31).*{message}"
    ):
        fit(where, **columns)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["held.csv", "rows.csv"]
