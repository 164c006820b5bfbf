"""Recipe files are read, and overridden key by key."""

import pytest

from train.errors import RecipeError
from train.recipe.recipe import Recipe
from train.recipe.toml_file import override, read_toml


@pytest.mark.parametrize(
    ("assignment", "section", "key", "value"),
    [
        ("optimizer.lr=0.5", "optimizer", "lr", 0.5),
        ("optimizer.epochs=20", "optimizer", "epochs", 20),
        ("model.standardize=false", "model", "standardize", False),
        ('data.drop=["a", "b"]', "data", "drop", ["a", "b"]),
        (
            "model.init={weight=[[1.0]], bias=[0]}",
            "model",
            "init",
            {"weight": [[1.0]], "bias": [0]},
        ),
        ("data.target=churned", "data", "target", "churned"),
        ("data.target='5'", "data", "target", "5"),
        ("data.file=rows/more rows.csv", "data", "file", "rows/more rows.csv"),
        ("data.positive=>50K", "data", "positive", ">50K"),
        ("data.positive=a=b", "data", "positive", "a=b"),
        (" optimizer.lr = 2", "optimizer", "lr", 2),
    ],
)
def test_an_override_is_toml_or_else_plain_text(assignment, section, key, value):
    document = {section: {key: "before", "other": 1}}
    override(document, assignment)
    assert document == {section: {key: value, "other": 1}}


def test_an_override_adds_its_section():
    document = {}
    override(document, "log.every=5")
    assert document == {"log": {"every": 5}}


@pytest.mark.parametrize("assignment", ["", "optimizer.lr", "lr=5", "optimizer.=5", "=1"])
def test_an_override_without_section_key_or_value(assignment):
    with pytest.raises(RecipeError, match=r"^--set needs section\.key=value; got "):
        override({}, assignment)


def test_an_override_in_a_recipe_that_has_no_such_table():
    with pytest.raises(RecipeError, match=r"\[?data\]?"):
        override({"data": 5}, "data.target=y")


@pytest.mark.parametrize(
    "assignments",
    [
        ("columns.missing.missing=error", "columns.missing=level"),
        ("columns.missing=level", "columns.missing.missing=error"),
        ("columns.category.min_rows=2", 'columns.category=["town"]'),
    ],
)
def test_a_key_that_is_a_column_too(assignments):
    document = {}
    override(document, assignments[0])
    with pytest.raises(RecipeError, match=r"^columns\.\w+ cannot be both a key of \[columns\] and"):
        override(document, assignments[1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"^cannot read recipe\.toml: No such file or directory$"),
        (b"[data\n", r"^recipe\.toml is not valid TOML: "),
        (b"a = 'caf\xe9'", r"^recipe\.toml is not valid TOML: .*utf-8"),
    ],
)
def test_recipe_files_that_cannot_be_read(content, message, workplace):
    path = workplace / "recipe.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecipeError, match=message):
        read_toml(path.relative_to(workplace))


def test_a_key_of_one_column_is_overridden():
    document = {}
    for assignment in (
        "columns.town.missing=level",
        "columns.a.b.min_rows=3",
        "columns.min_rows=2",
    ):
        override(document, assignment)
    assert document == {
        "columns": {"town": {"missing": "level"}, "a.b": {"min_rows": 3}, "min_rows": 2}
    }
    found = Recipe.from_dict(document)
    assert (found.columns.of("a.b").min_rows, found.columns.of("town").min_rows) == (3, 2)
