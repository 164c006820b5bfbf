"""Models of a single number, whose only weight is 0: it is bent, or was constant in training."""

from pathlib import Path

import pytest

from export.publish import export_bundle
from train.recipe.recipe import Recipe
from train.run import train


def rows(kind: str) -> str:
    """A table with the column x that is bent, or constant beside a category."""
    lines = ["x,town,y"]
    for i in range(60):
        lines.append(f"{5 if kind == 'constant' else i},{'ABC'[i % 3]},{int(i % 30 < 12)}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("kind", ["bent", "constant"])
def test_a_single_number_of_weight_0_is_proven(tmp_path: Path, kind: str) -> None:
    (tmp_path / "rows.csv").write_text(rows(kind))
    data = {"file": str(tmp_path / "rows.csv"), "target": "y"}
    columns = {}
    if kind == "bent":
        data["drop"], columns = ["town"], {"bend": ["x"]}  # type: ignore[assignment]
    train(Recipe.from_dict({"data": data, "columns": columns}), tmp_path / "run")
    assert export_bundle(tmp_path / "run", tmp_path / "bundle")
