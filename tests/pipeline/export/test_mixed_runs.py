"""Runs of models that encode their columns: export refuses those whose parts do not fit together.

Each damage is one that no digest can tell, since they are made anew.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.publish import export_bundle
from pipeline.run_files import forge
from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.column import CATEGORY, Column
from train.errors import RunError

Saved = dict[str, Any]
Change = Callable[[Saved], object]
Columns = list[Column]


@pytest.fixture
def folder(mixed_run: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(mixed_run, tmp_path / "run"))


def card(change: Callable[[Columns], object]) -> Change:
    """Change the card's columns in place."""

    def edit(saved: Saved) -> None:
        found = ModelCard.from_json(saved["card"])
        columns = list(found.columns)
        change(columns)
        saved["card"] = replace(found, columns=tuple(columns)).to_json()

    return edit


def column(name: str, change: Callable[[Column], dict[str, Any]]) -> Change:
    """Change fields of one of the card's columns."""

    def edit(columns: Columns) -> None:
        i = place(columns, name)
        columns[i] = replace(columns[i], **change(columns[i]))

    return card(edit)


def place(columns: Columns, name: str) -> int:
    return [column.name for column in columns].index(name)


def swapped(first: str, second: str) -> Change:
    """The card's columns with these two in each other's place."""

    def edit(columns: Columns) -> None:
        i, j = place(columns, first), place(columns, second)
        columns[i], columns[j] = columns[j], columns[i]

    return card(edit)


def without(name: str) -> Change:
    return card(lambda columns: columns.pop(place(columns, name)))


def part(section: str, name: str, change: Callable[[torch.Tensor], object]) -> Change:
    """Change one of the tensors."""

    def edit(saved: Saved) -> None:
        saved[section][name] = change(saved[section][name])

    return edit


def lacking(section: str, name: str) -> Change:
    def edit(saved: Saved) -> None:
        del saved[section][name]

    return edit


def sample(change: Callable[[Any], object]) -> Change:
    """Change the sampled rows in place."""

    def edit(saved: Saved) -> None:
        change(saved["sample"])

    return edit


def texts(change: Callable[[list[str | None]], object]) -> Change:
    """Change the sampled texts of the first category in place."""
    return sample(lambda saved: change(saved["texts"][0]))


FOLDED = "its weights are not those of its standardised model, folded"
SHAPES = (
    r"the parts of the standardised model have the shapes [(1, 41), (1,), (23,), (23,)], the {}"
)
DAMAGES: dict[str, tuple[Change, str]] = {
    "a level missing": (
        column("category 0", lambda c: {"levels": c.levels[1:], "counts": c.counts[1:]}),
        SHAPES.format("columns of the card make [(1, 40), "),
    ),
    "a level more": (
        column("category 0", lambda c: {"levels": (*c.levels, "x"), "counts": (*c.counts, 3)}),
        SHAPES.format("columns of the card make [(1, 42), "),
    ),
    "no rare levels": (
        column("category 2", lambda c: {"rare": (), "rare_count": 0}),
        SHAPES.format("columns of the card make [(1, 40), "),
    ),
    "counts of other levels": (
        column("category 0", lambda c: {"counts": c.counts[::-1]}), FOLDED,
    ),
    "more rare rows": (column("category 2", lambda c: {"rare_count": c.rare_count + 1}), FOLDED),
    "more gaps": (column("category 0", lambda c: {"gaps": c.gaps + 1}), FOLDED),
    "a missing text that is unknown": (
        column("category 0", lambda c: {"missing": "unknown"}), FOLDED,
    ),
    "a missing text that is a level": (
        column("category 1", lambda c: {"missing": "level"}),
        SHAPES.format("columns of the card make [(1, 42), "),
    ),
    "an unknown level that is refused": (
        column("category 0", lambda c: {"unknown": "error"}), "its card was made for other weights",
    ),
    "an indicator fewer": (
        column("number 1", lambda c: {"missing": "median"}),
        SHAPES.format("columns of the card make [(1, 40), (1,), (22,), (22,)]"),
    ),
    "a gap that is refused": (
        column("number 2", lambda c: {"missing": "error"}),
        "stands for a missing 'number 2', whose card says 'error'",
    ),
    "a gap that is filled": (
        column("number 0", lambda c: {"missing": "median"}),
        "nan stands for a missing 'number 0', whose card says 'median'",
    ),
    "a knot fewer": (
        column("number 0", lambda c: {"knots": c.knots[1:]}),
        SHAPES.format("columns of the card make [(1, 40), "),
    ),
    "another knot": (
        column("precise 4", lambda c: {"knots": (c.knots[0] - 1, *c.knots[1:])}),
        "its card was made for other weights",
    ),
    "a bent number that is straight": (
        column("precise 4", lambda c: {"knots": ()}),
        SHAPES.format("columns of the card make [(1, 33), "),
    ),
    "a number that is precise": (
        column("number 2", lambda c: {"kind": "precise"}),
        "the centres of precise numbers: float64 of shape (2,), the card's columns require float64 "
        "of shape (3,)",
    ),
    "a precise number that is none": (
        column("precise 3", lambda c: {"kind": "number"}),
        "the centres of precise numbers: float64 of shape (2,), the card's columns require float64 "
        "of shape (1,)",
    ),
    "numbers in another order": (
        swapped("number 0", "number 1"), "nan stands for a missing 'number 1'",
    ),
    "precise numbers in another order": (
        swapped("precise 3", "precise 4"), "nan stands for a missing 'precise 4'",
    ),
    "categories in another order": (swapped("category 0", "category 1"), FOLDED),
    "a number fewer": (
        without("number 0"), "what stands for missing numbers: float64 of shape (5,), the card's",
    ),
    "a precise number fewer": (
        without("precise 3"), "what stands for missing numbers: float64 of shape (5,), the card's",
    ),
    "a category fewer": (
        without("category 0"), "have 5 numbers and 3 texts, the model takes 5 and 2",
    ),
    "a weight fewer": (
        part("standardized", "0.weight", lambda t: t[:, :-1].clone()),
        "have the shapes [(1, 40), (1,), (23,), (23,)], the columns of the card make [(1, 41), ",
    ),
    "a table moved by one": (part("standardized", "0.weight", lambda t: t.roll(1, 1)), FOLDED),
    "weights of NaN": (
        part("standardized", "0.weight", lambda t: t * np.nan), "values that no training leaves",
    ),
    "a mean fewer": (
        part("standardized", "mean", lambda t: t[:-1].clone()), "(1,), (22,), (23,)], the columns",
    ),
    "a layer of one weight fewer": (
        part("state_dict", "0.weight", lambda t: t[:, :-1].clone()),
        "the columns of its card make a layer of 41 features, the weights are {'0.weight': (1, 40)",
    ),
    "a layer moved by one": (part("state_dict", "0.weight", lambda t: t.roll(1, 1)), FOLDED),
    "a layer in float64": (
        part("state_dict", "0.weight", torch.Tensor.double), "weights must be finite float32",
    ),
    "another imputed value": (
        part("standardized", "imputed", lambda t: t + 1), "its card was made for other weights",
    ),
    "imputed values in float32": (
        part("standardized", "imputed", torch.Tensor.float),
        "what stands for missing numbers: float32 of shape (5,), the card's columns require",
    ),
    "an imputed value fewer": (
        part("standardized", "imputed", lambda t: t[:-1].clone()),
        "what stands for missing numbers: float64 of shape (4,), the card's columns require",
    ),
    "imputed values of NaN": (
        part("standardized", "imputed", lambda t: t * np.nan),
        "nan stands for a missing 'number 1', whose card says 'indicator'",
    ),
    "no imputed values": (
        lacking("standardized", "imputed"), "it lacks what stands for missing numbers",
    ),
    "another centre": (part("standardized", "center", lambda t: t + 1), FOLDED),
    "a centre fewer": (
        part("standardized", "center", lambda t: t[:-1].clone()),
        "the centres of precise numbers: float64 of shape (1,), the card's columns require",
    ),
    "an infinite centre": (
        part("standardized", "center", lambda t: t / 0), "a centre of a precise number is not",
    ),
    "centres that are no tensor": (
        part("standardized", "center", torch.Tensor.tolist), "in the place of a plain tensor",
    ),
    "no weights": (lacking("standardized", "0.weight"), "it has no '0.weight'"),
    "a sample of numbers": (
        lambda saved: saved.update(sample=saved["sample"]["numbers"]), "holds no texts",
    ),
    "a sample without numbers": (lacking("sample", "numbers"), "it has no 'numbers'"),
    "a sample without texts": (lacking("sample", "texts"), "it has no 'texts'"),
    "a sampled category fewer": (
        sample(lambda saved: saved["texts"].pop()),
        "the sampled rows have 5 numbers and 2 texts, the model takes 5 and 3",
    ),
    "a sampled number fewer": (
        part("sample", "numbers", lambda t: t[:-1].clone()),
        "the sampled rows have 4 numbers and 3 texts, the model takes 5 and 3",
    ),
    "a sampled text fewer": (
        texts(lambda values: values.pop()), "of shape (5, 256), are no rows of this model",
    ),
    "sampled rows in one line": (
        part("sample", "numbers", lambda t: t[:, 0].clone()), "of shape (5,), are no rows",
    ),
    "sampled numbers in float32": (
        part("sample", "numbers", torch.Tensor.float), "of shape (5, 256), are no rows",
    ),
    "a sampled infinity": (
        part("sample", "numbers", lambda t: t / 0), "of shape (5, 256), are no rows of this model",
    ),
    "a sampled text that is a number": (
        texts(lambda values: values.__setitem__(0, 3)),  # type: ignore[call-overload]
        "the sampled rows hold what is no text in 'category 0'",
    ),
    "a sampled text that is half a character": (
        texts(lambda values: values.__setitem__(0, "\ud800")),
        "the sampled rows hold what is no text in 'category 0'",
    ),
    "an empty sample": (
        sample(lambda saved: saved.update(numbers=torch.empty(5, 0).double(), texts=[[]] * 3)),
        "holds no sample of rows: train again",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_run_is_refused(folder: Path, what: str) -> None:
    change, told = DAMAGES[what]
    forge(folder, change)
    with pytest.raises(RunError, match=rf"run/checkpoint\.pt.*{re.escape(told)}"):
        export_bundle(folder, folder.with_name("bundle"))
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("size", [0, 1, 0.5, -1])
def test_a_truncated_run_is_refused(folder: Path, size: float) -> None:
    path = folder / "checkpoint.pt"
    content = path.read_bytes()
    path.write_bytes(content[: int(size * len(content)) if size == 0.5 else int(size)])
    with pytest.raises(RunError, match="it was truncated or altered; train again"):
        export_bundle(folder, folder.with_name("bundle"))
    assert list(folder.parent.iterdir()) == [folder]


def test_the_damages_meet_the_columns_that_they_name(mixed_run: Path, folder: Path) -> None:
    """So that none of them is refused because it is not there."""
    forge(folder, lambda saved: None)
    for name in ("checkpoint.pt", "metrics.json"):
        assert (folder / name).read_bytes() == (mixed_run / name).read_bytes()
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)
    columns = ModelCard.from_json(saved["card"]).columns
    assert [c.name for c in columns if c.kind == CATEGORY] == [f"category {i}" for i in range(3)]
    assert columns[place(list(columns), "category 0")].counts[0] != 0
