import pytest

from train.errors import RecipeError
from train.recipe.recipe import Recipe
from train.recipe.threshold_rule import parsed_threshold
from train.recipe.toml_file import override, read_toml

RULES = (
    "f1", "prior", 0, 0.25, 1, {"precision": 0.9}, {"recall": 1}, {"cost": [[0, 1], [10, 0]]},
    {"precision": 0.9, "or_best": True}, {"cost": [[-1, 0.5], [3, -2.5]]},
)  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_survives_its_way_through_a_file(rule, tmp_path):
    recipe = Recipe.from_dict({"threshold": rule})
    assert recipe.threshold == rule
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml())
    assert Recipe.from_dict(read_toml(path)) == recipe


def test_the_section_of_a_file_is_the_same_rule():
    document = {}
    override(document, "threshold.recall=0.9")
    assert Recipe.from_dict(document).threshold == {"recall": 0.9}


@pytest.mark.parametrize(
    ("text", "rule"),
    [("f1", "f1"), ("0.3", 0.3), ("recall = 1", {"recall": 1}), ("recall=.9", "recall=.9"),
     ("cost=[[0,1],[10,0]]", {"cost": [[0, 1], [10, 0]]}), ("{recall = 0.5}", {"recall": 0.5}),
     ("best", "best"), ("precision=", "precision="), ("prior", "prior")],
)  # fmt: skip
def test_an_option_is_written_shortly_or_as_toml(text, rule):
    assert parsed_threshold(text) == rule


@pytest.mark.parametrize(
    "rule",
    ["best", "", -0.1, 1.5, float("nan"), True, [0.5], {}, {"precision": 0}, {"precision": 1.1},
     {"recall": "0.9"}, {"recall": True}, {"precision": 0.9, "recall": 0.9}, {"f1": 1},
     {"cost": [[0, 1]]}, {"cost": [[0, 1], [10]]}, {"cost": [[0, 0], [10, 0]]}, {"cost": 3},
     {"cost": [[0, 1], [1, 2]]}, {"cost": [[0, float("inf")], [1, 0]]}, {"or_best": True},
     {"recall": 0.9, "or_best": 1}, 10**400, "precision=", {"cost": [[0, 1], [10, 0], [1, 1]]}],
)  # fmt: skip
def test_what_is_no_rule_is_refused_by_name(rule):
    with pytest.raises(RecipeError, match=r'^threshold must be "f1", "prior", a number from 0'):
        Recipe.from_dict({"threshold": rule})
