"""Cost and accuracy of the diabetes trainings."""

import shutil

import pytest

from docs.pictures.diabetes import diabetes as draw_diabetes
from pipeline import published
from pipeline.docs.pictures.shown import FOLDER, axes_of, drawn, texts


def test_diabetes_ends_at_the_published_cost(diabetes, experiments, tmp_path):
    table = tmp_path / 'it\'s \\ "here".csv'  # a path that TOML has to escape
    shutil.copy(diabetes, table)
    picture = draw_diabetes(experiments, str(table))
    kinds = (("cost", 2e-6), ("accuracy_percent", 0.005))
    for axes, (key, tolerance) in zip(axes_of(picture), kinds, strict=True):
        shown = drawn(axes, "random numbers")[::10, 1]
        trace = [row[key] for row in published.load("diabetes-seed1")["trace"]]
        assert shown == pytest.approx(trace, abs=tolerance)
    committed = (FOLDER / "diabetes.svg").read_text(encoding="utf-8")
    assert texts(picture.svg("diabetes")) == texts(committed)
